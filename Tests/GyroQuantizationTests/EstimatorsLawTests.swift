import CGyroKernels
import CGyroParallel
import Foundation
import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

/// What holds for every estimator.
struct EstimatorsLawTests {
  /// Estimators by name with the quantizers they are for.
  static let cases: [(String, Quantizer)] = {
    let int4 = IntegerFormat.int4, uint4 = IntegerFormat(bits: 4, isSigned: false)
    func every(_ format: any NumberFormat, _ names: [String]) -> [(String, Quantizer)] {
      [Granularity.tensor, .channel, .group(8), .block(rows: 2, columns: 4)].flatMap {
        granularity in
        names.map { ($0, try! Quantizer(format, granularity)) }
      }
    }
    let affine = ["straight-through", "clipped", "ewgs", "sigmoid", "lsq+", "learned-range"]
    let ranges = [
      "straight-through", "clipped", "ewgs", "lsq", "lsq+", "pact", "tqt", "learned-range",
    ]
    return every(int4, ranges + ["sigmoid", "dorefa", "xnor", "bwn", "twn"])
      + every(uint4, ["lsq", "pact", "dorefa"])
      + every(Minifloat.e4m3, ranges + ["flexible-float", "dorefa"])
      + every(Codebook.normalFloat4, ranges) + every(Codebook.binary, ["xnor", "bwn"])
      + every(Codebook.ternary, ["twn"]) + [("ttq", try! Quantizer(Codebook.ternary, .tensor))]
      + affine.map { ($0, try! Quantizer(int4, .channel, isSymmetric: false)) }
      + [ScaleFormat.float16, .powerOfTwo, .e8m0, .e4m3].flatMap { scale in
        ranges.map { ($0, try! Quantizer(int4, .channel, scaleFormat: scale)) }
      }
  }()

  @Test(arguments: cases)
  func whatIsTrainedShips(_ name: String, _ quantizer: Quantizer) throws {
    let estimator = try GradientEstimators.named(name)
    var stream = RandomStream(seed: 11)
    let x = stream.normal([6, 16])
    var state = try initialState(estimator, quantizer, x)
    #expect(estimator.name == name && Set(state.keys) == Set(estimator.stateNames(quantizer)))
    for _ in 0..<3 {
      let pass = try Pass(estimator, quantizer, x, state, cotangent: stream.normal([6, 16]))
      let shipped = try estimator.quantized(x, quantizer, state)
      expectSameBits(pass.value, shipped.tensor, "\(name) \(quantizer.format.name)")
      #expect((pass.value.wholeGrid != nil) == quantizer.hasIntegerGrid)
      #expect(pass.x.allFinite)
      for (state_, gradient) in pass.states {
        #expect(gradient.allFinite)
        state[state_]!.add(gradient, scaledBy: -0.01)
      }
      estimator.constrain(&state)
    }
  }

  @Test(arguments: ["lsq", "lsq+", "pact", "tqt", "learned-range", "flexible-float", "ttq"])
  func learnedRangesSurviveAnyGradient(_ name: String) throws {
    let estimator = try GradientEstimators.named(name)
    let formats: [String: any NumberFormat] = [
      "flexible-float": Minifloat.e4m3, "ttq": Codebook.ternary,
    ]
    let format = formats[name] ?? IntegerFormat.int4
    let affine = ["lsq+", "learned-range"].contains(name)
    let quantizer = try Quantizer(format, .tensor, isSymmetric: !affine)
    let x = vector([-3, -0.5, 0, 0.4, 5])
    for step in [Float(-1e30), -10, 10, 1e30, .infinity, -.infinity, .nan] {
      var state = try initialState(estimator, quantizer, x)
      for name in state.keys { state[name]!.add(vector([step])) }
      estimator.constrain(&state)
      #expect(state.values.allSatisfy { $0.allFinite })
      if let scales = estimator.scales(quantizer, state) {
        #expect(scales.scales.elements.allSatisfy { $0 > 0 && $0.isFinite }, "\(step)")
      }
      let pass = try Pass(estimator, quantizer, x, state)
      #expect(pass.value.allFinite && pass.x.allFinite, "\(step)")
      #expect(pass.states.values.allSatisfy { $0.allFinite }, "\(step)")
      expectSameBits(pass.value, try estimator.quantized(x, quantizer, state).tensor, "\(step)")
    }
  }

  @Test func aScaleThatCollapsedGrowsBack() throws {
    let lsq = LearnedStepSize(), int4 = try Quantizer(IntegerFormat.int4, .tensor)
    let x = gaussianQuantiles(256)
    var state = ["scale": vector([-5])]
    lsq.constrain(&state)
    #expect(state["scale"]!.item == 0x1p-64)
    let learned = try descend(lsq, int4, x, state, rate: 0.05, steps: 100, perElement: false)
    #expect(learned.errors.last! < 0.02)
  }

  @Test func namesAndOptionsAreReadAndErrorsSayWhatThereIs() throws {
    for name in GradientEstimators.names {
      #expect(try GradientEstimators.named(name).name == name)
    }
    let lsq = try GradientEstimators.named(
      "lsq(gradient-scale=ports, delta=0.25)", role: .activation)
    #expect(
      lsq as? LearnedStepSize
        == LearnedStepSize(role: .activation, gradientScale: .ports, scaling: 0.25))
    #expect(
      try GradientEstimators.named("ttq", options: ["threshold": "0.1"]) as? TrainedTernary
        == TrainedTernary(threshold: 0.1))
    func message(_ text: String) -> String {
      do {
        _ = try GradientEstimators.named(text, for: "weights")
        return "nothing thrown"
      } catch { return "\(error)" }
    }
    #expect(
      message("lqs").hasPrefix("weights: unknown estimator 'lqs'; known are straight-through"))
    #expect(message("tqt(x=1)") == "estimator 'tqt' has no option 'x'; it has none")
    #expect(message("ewgs(d=1)") == "estimator 'ewgs' has no option 'd'; its options are delta")
    #expect(
      message("pact(decay=-1)")
        == "estimator 'pact' got decay '-1'; use a number from 0.0 to 1000.0")
    let affine = try Quantizer(IntegerFormat.int4, .tensor, isSymmetric: false)
    #expect(throws: QuantizationError.self) { try initialState(lsq, affine, vector([1, 2])) }
    let tokens = try Quantizer(IntegerFormat.int4, .token)
    #expect(throws: QuantizationError.self) { try initialState(lsq, tokens, vector([1, 2])) }
  }

  // MARK: The kernel

  @Test func kernelEqualsItsReferenceForEveryKindOfFormat() throws {
    var stream = RandomStream(seed: 5)
    for (format, isSymmetric) in [
      (IntegerFormat.int4 as any NumberFormat, true), (IntegerFormat.int4, false),
      (IntegerFormat.uint8, true), (Minifloat.e4m3, true), (Minifloat.e2m1, true),
      (Codebook.normalFloat4, true), (Codebook.binary, true),
    ] {
      for (groups, length) in [(1, 40_000), (7, 33), (64, 16), (3, 1)] {
        let quantizer = try Quantizer(
          format, groups == 1 ? .tensor : .channel, isSymmetric: isSymmetric)
        let (x, c) = (stream.normal([groups, length]), stream.normal([groups, length]))
        var scales = try quantizer.scales(covering: x)
        scales.scales.scale(by: 0.6)
        var sums = [Float](repeating: 0, count: 3 * groups)
        var reference = Tensor(uninitialized: x.shape)
        quantizer.withLearnedScale(scales, 0.25, 0.01) { range in
          x.withElements { x in
            c.withElements { c in
              reference.withMutableElements {
                gyro_reference_learned_scale_gradient(
                  range, x, c, Int64(groups), Int64(length), $0, &sums)
              }
            }
          }
        }
        let fast = quantizer.rangeGradient(
          x, c, scales, slack: 0.25, errorWeight: 0.01, needsX: true, needsSums: true)
        expectSameBits(fast.x!, reference, "\(format.name)")
        let all = fast.sums!.rounding + fast.sums!.saturated + fast.sums!.outside
        expectClose(
          all, sums, relative: 1e-4, absolute: 2e-6 * Float(length) * format.largest,
          "\(format.name) \(groups)×\(length)")
        let alone = quantizer.rangeGradient(
          x, c, scales, slack: 0.25, errorWeight: 0.01, needsX: false, needsSums: true)
        #expect(alone.x == nil && alone.sums!.rounding == fast.sums!.rounding)
      }
    }
  }

  @Test func noiseAndSumsAreTheSameForEveryThreadCount() throws {
    var stream = RandomStream(seed: 6)
    let x = stream.normal([3, 70_001])
    let quantizer = try Quantizer(IntegerFormat.int8, .channel)
    let scales = try quantizer.scales(covering: x)
    func results() -> (Tensor, [Float]) {
      let sums = quantizer.rangeGradient(
        x, x, scales, slack: 0, errorWeight: 0, needsX: false, needsSums: true
      ).sums!
      return (
        quantizer.roundedStochastically(x, scales, RandomStream(seed: 9)), sums.scale + sums.outside
      )
    }
    defer { gyro_set_thread_count(0) }
    gyro_set_thread_count(1)
    let (rounded, sums) = results()
    gyro_set_thread_count(2)
    let (again, sumsAgain) = results()
    expectSameBits(again, rounded)
    #expect(sums == sumsAgain)

    var random = RandomStream(seed: 9)
    var noise = [Float](repeating: 0, count: x.count)
    gyro_reference_rounding_noise(random.next(), Int64(x.count), &noise)
    let steps = scales.scales.elements
    let elements = x.elements,
      expected = (0..<x.count).map { place -> Float in
        let step = steps[place / 70_001], u = min(max(elements[place] / step, -128), 127)
        return (u.rounded(.down) + (noise[place] < u - u.rounded(.down) ? 1 : 0)) * step
      }
    expectClose(rounded.elements, expected, relative: 0, absolute: 0)
  }
}
