import GyroAutodiff
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

/// Straight-through estimators and stochastic rounding (2103.13630 §III-H, 2106.08295 §4.1).
struct EstimatorsStraightThroughTests {
  let int4 = try! Quantizer(IntegerFormat.int4, .tensor)
  let x = vector([-6, -4.4, -4, -1.26, 0, 0.24, 1.3, 3.4, 3.76, 9])
  let static4: [String: Tensor] = ["scale": vector([0.5])]
  let cotangent = vector([1, -2, 3, -4, 5, -6, 7, -8, 9, -10])

  @Test func straightThroughPassesEveryGradient() throws {
    let moving = try Pass(StraightThrough(), int4, x, cotangent: cotangent)
    expectSameBits(moving.x, cotangent)
    expectSameBits(moving.value, try int4.projected(x))
    let still = try Pass(StraightThrough(), int4, x, static4, cotangent: cotangent)
    expectSameBits(still.x, cotangent)
    #expect(still.value[9] == 3.5 && still.value[0] == -4)
    #expect(still.states["scale"]!.item == 0)
  }

  @Test func clippedMasksWhatDoesNotRoundIntoTheRange() throws {
    let pass = try Pass(ClippedStraightThrough(), int4, x, static4, cotangent: cotangent)
    // The range is −4 … 3.5 and half a step more on either side.
    #expect(pass.x.elements == [0, 0, 3, -4, 5, -6, 7, -8, 0, 0])
    expectSameBits(
      pass.value, try int4.projected(x, with: GroupScales(scales: vector([0.5]))))
    // Under scales that cover the data nothing is outside, whichever way quotients round.
    for seed in 0..<20 {
      var stream = RandomStream(seed: UInt64(seed))
      let data = stream.normal([64])
      #expect(try Pass(ClippedStraightThrough(), int4, data).x.elements.allSatisfy { $0 == 1 })
    }
  }

  @Test func elementwiseScalingIsOnePlusDeltaTimesTheDistance() throws {
    let delta: Float = 0.3
    let pass = try Pass(
      ClippedStraightThrough(scaling: delta), int4, x, static4, cotangent: cotangent)
    let expected = zip(x.elements, cotangent.elements).map { x, c -> Float in
      let u = x / 0.5
      guard u > -8.5, u < 7.5 else { return 0 }
      let code = min(max(u.rounded(.toNearestOrEven), -8), 7)
      return c * (1 + delta * (c < 0 ? -1 : 1) * (u - code) / 15)
    }
    expectClose(pass.x.elements, expected, relative: 1e-6)
    #expect(pass.x.elements != cotangent.elements)
  }

  @Test func softStaircaseAveragesToOneOverAStepAndPeaksHalfway() throws {
    let steps = 1000
    let fine = vector((0..<steps).map { (Float($0) + 0.5) / Float(steps) - 0.5 })
    let unit: [String: Tensor] = ["scale": vector([1])]
    let slope = try Pass(SoftStaircase(steepness: 6), int4, fine, unit).x.elements
    #expect(abs(slope.reduce(0, +) / Float(steps) - 1) < 1e-4)
    #expect(slope[0] == slope.max() && abs(slope[steps / 2] - slope.min()!) < 1e-5)
    // σ′ at its peak is ¼; σ(3) − σ(−3) = tanh(3/2).
    #expect(abs(slope[0] - 6 * 0.25 / 0.905148) < 1e-2)
    let flat = try Pass(SoftStaircase(steepness: 1e-3), int4, x, static4).x
    expectClose(
      flat, try Pass(ClippedStraightThrough(), int4, x, static4).x, relative: 1e-4)
  }

  @Test func stochasticRoundingIsRightOnAverageWithVarianceOfTheFraction() throws {
    let count = 1 << 16
    for (format, value, low, high) in [
      (IntegerFormat.int4 as any NumberFormat, Float(2.3), Float(2), Float(3)),
      (IntegerFormat.int4, -1.25, -2, -1), (Minifloat.e2m1, 4.5, 4, 6),
      (Minifloat.e4m3, -17, -18, -16), (Codebook.ternary, 0.125, 0, 1),
    ] {
      let quantizer = try Quantizer(format, .tensor)
      let step: Float = 0.5
      let pass = try Pass(
        StochasticRounding(), quantizer, Tensor([count], repeating: value * step),
        ["scale": vector([step])])
      let elements = pass.value.elements
      #expect(Set(elements) == [low * step, high * step], "\(format.name)")
      let fraction = Double((value - low) / (high - low)), width = Double((high - low) * step)
      let mean = elements.reduce(0) { $0 + Double($1) } / Double(count)
      let variance = elements.reduce(0) { $0 + ($1.asDouble - mean) * ($1.asDouble - mean) }
      let expected = fraction * (1 - fraction) * width * width
      let deviation = (expected / Double(count)).squareRoot()
      #expect(abs(mean - Double(value * step)) < 4 * deviation, "\(format.name)")
      #expect(abs(variance / Double(count) / expected - 1) < 0.03, "\(format.name)")
      #expect(pass.x.elements.allSatisfy { $0 == 1 })
    }
  }

  @Test func stochasticRoundingKeepsTheGridDrawsAnewAndRepeats() throws {
    var stream = RandomStream(seed: 3)
    let data = stream.normal([40, 33])
    let quantizer = try Quantizer(IntegerFormat.int4, .channel)
    let rounded = try Pass(StochasticRounding(), quantizer, data, seed: 1).value
    expectSameBits(try Pass(StochasticRounding(), quantizer, data, seed: 1).value, rounded)
    #expect(
      try Pass(StochasticRounding(), quantizer, data, seed: 2).value.elements != rounded.elements)
    let scales = ["scale": try quantizer.scales(covering: data).scales]
    expectSameBits(
      try Pass(StochasticRounding(), quantizer, rounded, scales, seed: 5).value, rounded)
    #expect(rounded.wholeGrid != nil)
    #expect(throws: NotFiniteRow.self) {
      try Pass(StochasticRounding(), int4, vector([1, .infinity]), static4)
    }
  }
}

extension Float {
  fileprivate var asDouble: Double { Double(self) }
}
