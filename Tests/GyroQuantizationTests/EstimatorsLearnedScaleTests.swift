import Foundation
import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

/// LSQ (1902.08153), LSQ+ (2004.09576), PACT (1805.06085), TQT (1903.08066) and learned ends.
struct EstimatorsLearnedScaleTests {
  let int4 = try! Quantizer(IntegerFormat.int4, .tensor)
  let uint4 = try! Quantizer(IntegerFormat(bits: 4, isSigned: false), .tensor)
  let affine4 = try! Quantizer(IntegerFormat.int4, .tensor, isSymmetric: false)

  /// The gradients of one element with respect to itself and to a state, unscaled.
  private func single(
    _ estimator: any GradientEstimator, _ quantizer: Quantizer, _ x: Float,
    _ state: [String: Tensor]
  ) throws -> (x: Float, states: [String: Float]) {
    let pass = try Pass(estimator, quantizer, vector([x]), state)
    return (pass.x.item, pass.states.mapValues(\.item))
  }

  // MARK: LSQ

  @Test func stepGradientFollowsTheTable() throws {
    let lsq = LearnedStepSize(gradientScale: .none)
    for (ratio, step, x) in [
      (Float(1.49), Float(-0.49), Float(1)), (1.51, 0.49, 1), (-2.25, 0.25, 1), (0, 0, 1),
      (-8.01, -8, 0), (-100, -8, 0), (7.01, 7, 0), (1e30, 7, 0),
    ] {
      let gradient = try single(lsq, int4, ratio * 0.25, ["scale": vector([0.25])])
      #expect(abs(gradient.states["scale"]! - step) < 1e-5, "v/s = \(ratio)")
      #expect(gradient.x == x, "v/s = \(ratio)")
    }
    // Unsigned: Q_N is 0.
    let below = try single(lsq, uint4, -3, ["scale": vector([0.25])])
    #expect(below.x == 0 && below.states["scale"] == 0)
    #expect(try single(lsq, uint4, 30, ["scale": vector([0.25])]).states["scale"] == 15)
  }

  @Test func gradientScaleIsOneOverRootOfCountTimesLargest() throws {
    let weights: Shape = [256, 256, 3, 3]
    let scale = StepGradientScale.paper
    #expect(weights.count == 589_824)
    #expect(abs(scale.factor(weights, groups: 1, largest: 7, .weight) - 4.92e-4) < 5e-7)
    #expect(abs(scale.factor(weights, groups: 1, largest: 1, .weight) - 1.30e-3) < 5e-6)
    #expect(
      scale.factor(weights, groups: 256, largest: 7, .weight) == 1 / Float(2304 * 7).squareRoot())
    let batch: Shape = [32, 100]
    #expect(scale.factor(batch, groups: 1, largest: 4, .activation) == 1 / Float(400).squareRoot())
    #expect(
      StepGradientScale.ports.factor(batch, groups: 1, largest: 4, .activation)
        == 1 / Float(12800).squareRoot())
    #expect(StepGradientScale.none.factor(batch, groups: 1, largest: 4, .weight) == 1)

    let x = gaussianQuantiles(64), state = ["scale": vector([0.3])]
    let plain = try Pass(LearnedStepSize(gradientScale: .none), int4, x, state)
    let scaled = try Pass(LearnedStepSize(), int4, x, state)
    #expect(
      scaled.states["scale"]!.item == plain.states["scale"]!.item / Float(64 * 7).squareRoot())
    expectSameBits(scaled.x, plain.x)
  }

  @Test func stepStartsAtTwiceTheMeanMagnitudeOverRootLargest() throws {
    let x = Tensor([2, 4], elements: [1, -1, 3, -3, 0, 0, 0, 0])
    let tensor = try initialState(LearnedStepSize(), int4, x)["scale"]!
    expectClose(tensor.elements, [2 * 1 / Float(7).squareRoot()])
    let channels = try Quantizer(IntegerFormat.int4, .channel)
    let both = try initialState(LearnedStepSize(), channels, x)["scale"]!
    expectClose(both.elements, [4 / Float(7).squareRoot(), 1])
  }

  @Test func stepsThatAreNotScaledGoUnstable() throws {
    let x = gaussianQuantiles(4096)
    let start = try initialState(LearnedStepSize(), int4, x)
    let paper = try descend(
      LearnedStepSize(), int4, x, start, rate: 0.01, steps: 60, perElement: false)
    let plain = try descend(
      LearnedStepSize(gradientScale: .none), int4, x, start, rate: 0.01, steps: 60,
      perElement: false)
    #expect(paper.errors.last! < 0.012, "the optimum is 0.0118")
    #expect(zip(paper.errors, paper.errors.dropFirst()).allSatisfy { $1 <= $0 + 1e-4 })
    #expect(plain.errors.suffix(20).max()! > 10 * paper.errors.last!)
  }

  @Test func learnedScalesKeepTheIntegerGridAndRoundToTheirType() throws {
    let x = gaussianQuantiles(64).reshaped([4, 16])
    for granularity in [Granularity.tensor, .channel] {
      let quantizer = try Quantizer(IntegerFormat.int8, granularity, scaleFormat: .bfloat16)
      let state = try initialState(LearnedStepSize(), quantizer, x)
      let value = try Pass(LearnedStepSize(), quantizer, x, state).value
      #expect(value.wholeGrid != nil)
      let scales = LearnedStepSize().scales(quantizer, state)!.scales.elements
      #expect(scales.allSatisfy { $0.bitPattern & 0xffff == 0 })
      expectClose(scales, state["scale"]!.elements, relative: 0x1p-8)
    }
  }

  // MARK: LSQ+

  @Test func offsetGradientIsZeroInsideAndOneOutside() throws {
    let estimator = LearnedStepAndOffset(gradientScale: .none)
    // s = 0.5, β = −1: values −1 … 6.5.
    let state = ["scale": vector([0.5]), "offset": vector([-1])]
    #expect(estimator.scales(affine4, state)!.zeroPoints!.item == 2)
    for (x, offset, step, dx) in [
      (Float(-3), Float(1), Float(0), Float(0)), (0.6, 0, -0.2, 1), (1.9, 0, 0.2, 1),
      (20, 1, 15, 0),
    ] {
      let gradient = try single(estimator, affine4, x, state)
      #expect(gradient.states["offset"] == offset && gradient.x == dx)
      #expect(abs(gradient.states["scale"]! - step) < 1e-5)
    }
  }

  @Test func aLearnedOffsetBeatsALearnedStepOnSiluData() throws {
    let normal = gaussianQuantiles(4096)
    let x = normal * normal.sigmoid()
    let lsq = LearnedStepSize(gradientScale: .none)
    let plus = LearnedStepAndOffset(gradientScale: .none)
    func error(_ estimator: any GradientEstimator, _ quantizer: Quantizer) throws -> Double {
      let start = try initialState(estimator, quantizer, x)
      return try descend(estimator, quantizer, x, start, rate: 0.05, steps: 150).errors.min()!
    }
    for bits in [3, 4] {
      let signed = IntegerFormat(bits: bits)
      let symmetric = try error(lsq, Quantizer(signed, .tensor))
      let unsigned = try error(
        lsq, Quantizer(IntegerFormat(bits: bits, isSigned: false), .tensor))
      let asymmetric = try error(plus, Quantizer(signed, .tensor, isSymmetric: false))
      #expect(asymmetric < 0.8 * min(symmetric, unsigned), "\(bits) bits")
    }
  }

  @Test func symmetricOffsetEstimatorStartsAtThreeSigma() throws {
    let x = gaussianQuantiles(1024) * 2 + 1
    let scale = try initialState(LearnedStepAndOffset(), int4, x)["scale"]!.item
    #expect(abs(scale - 7 / 8) < 5e-3)
  }

  // MARK: PACT, TQT, learned ends

  @Test func clipGradientIsOneFromTheClipOnAndZeroBelow() throws {
    let pact = ParameterizedClipping(decay: 0)
    for (x, clip, dx) in [
      (Float(-1), Float(0), Float(0)), (0.3, 0, 1), (5.9, 0, 1), (6, 1, 0), (100, 1, 0),
    ] {
      let gradient = try single(pact, uint4, x, ["clip": vector([6])])
      #expect(gradient.states["clip"] == clip && gradient.x == dx, "x = \(x)")
    }
    // round(y (2^k − 1) / α) α / (2^k − 1)
    let value = try Pass(pact, uint4, vector([2.5, 7, -1]), ["clip": vector([6])]).value
    expectClose(value.elements, [2.4, 6, 0])
    #expect(
      try initialState(ParameterizedClipping(initial: 10), uint4, vector([1]))["clip"]!.item == 10)
  }

  @Test func clipDecaysWhenNothingReachesIt() throws {
    let pact = ParameterizedClipping(decay: 0.1)
    var state = ["clip": vector([8])]
    for step in 1...10 {
      let gradient = try Pass(pact, uint4, vector([1, 2, 3]), state).states["clip"]!
      state["clip"]!.add(gradient, scaledBy: -1)
      #expect(abs(state["clip"]!.item - 8 * Float(pow(0.9, Double(step)))) < 1e-4)
    }
  }

  @Test func thresholdsMoveScalesByPowersOfTwo() throws {
    let tqt = TrainedThreshold()
    let int8 = try Quantizer(IntegerFormat.int8, .tensor)
    #expect(try initialState(tqt, int8, vector([4, -1]))["log2_threshold"]!.item == 2)
    for (threshold, scale) in [
      (Float(2), Float(0x1p-5)), (2.01, 0x1p-4), (1.01, 0x1p-5), (-3, 0x1p-10),
    ] {
      let state = ["log2_threshold": vector([threshold])]
      #expect(tqt.scales(int8, state)!.scales.item == scale)
      let inside = try single(tqt, int8, scale * 3.25, state)
      expectClose([inside.states["log2_threshold"]!], [scale * Float(M_LN2) * -0.25])
      #expect(inside.x == 1)
      let above = try single(tqt, int8, scale * 200, state)
      expectClose([above.states["log2_threshold"]!], [scale * Float(M_LN2) * 127])
      #expect(above.x == 0)
    }
  }

  @Test func clippedElementsMoveTheEndTheyAreClippedAt() throws {
    let estimator = LearnedMinimumAndMaximum()
    let state = ["minimum": vector([-1]), "maximum": vector([6.5])]
    for (x, low, high, dx) in [
      (Float(-3), Float(1), Float(0), Float(0)), (20, 0, 1, 0), (0.6, 0.2 / 15, -0.2 / 15, 1),
    ] {
      let gradient = try single(estimator, affine4, x, state)
      expectClose(
        [gradient.states["minimum"]!, gradient.states["maximum"]!, gradient.x], [low, high, dx],
        relative: 1e-4)
    }
    let symmetric = try single(estimator, int4, 30, ["maximum": vector([3.5])])
    #expect(symmetric.states == ["maximum": 1] && symmetric.x == 0)
    let x = vector([-1, 0.3, 6.5])
    let start = try initialState(estimator, affine4, x)
    expectClose(start["minimum"]!.elements + start["maximum"]!.elements, [-1, 6.5])
  }
}
