import GyroAutodiff
import GyroModels
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

/// The share of a range that follows the data (2308.13137 §3.2, 2410.09426 §3.2).
struct EstimatorsLearnedClippingTests {
  private func quantizers() throws -> [Quantizer] {
    let format = IntegerFormat.int4
    return [
      try Quantizer(format, .token), try Quantizer(format, .token, isSymmetric: false),
      try Quantizer(format, .tensor), try Quantizer(format, .group(4), isSymmetric: false),
    ]
  }

  private func rows() -> Tensor {
    var random = RandomStream(seed: 3)
    return random.normal([6, 16], standardDeviation: 1) + 0.3
  }

  @Test(arguments: [Float(0.6), 0.85, 1, 1.13])
  func theGradientIsThatOfTheScales(share: Float) throws {
    let x = rows()
    for quantizer in try quantizers() {
      let state = [LearnedClipping.state: vector([share])]
      var random = RandomStream(seed: 8)
      let cotangent = random.normal(x.shape, standardDeviation: 1)
      let pass = try Pass(LearnedClipping(), quantizer, x, state, cotangent: cotangent)
      // Rounding held where it is, the staircase is smooth in the share: s (clip(x/s + δ + z) − z).
      let covering = try quantizer.scales(covering: x)
      let width = x.count / covering.scales.count
      let (low, high) = quantizer.isSymmetric ? (-8.0, 7.0) : (0, 15)
      let values = x.elements.map(Double.init), scales = covering.scales.elements.map(Double.init)
      let zeros = covering.zeroPoints?.elements.map(Double.init)
      let weights = cotangent.elements.map(Double.init)
      func loss(_ r: Double) -> Double {
        values.indices.reduce(0) { sum, index in
          let group = index / width
          let zero = zeros?[group] ?? 0
          let held = values[index] / (scales[group] * Double(share))
          let rounded = held.rounded(.toNearestOrEven)
          let s = scales[group] * r
          let code =
            (low...high).contains(rounded + zero)
            ? values[index] / s + rounded - held : min(max(rounded, low - zero), high - zero)
          return sum + weights[index] * s * code
        }
      }
      let h = 1e-6
      let wanted = (loss(Double(share) + h) - loss(Double(share) - h)) / (2 * h)
      let got = Double(pass.states[LearnedClipping.state]!.item)
      #expect(
        abs(got - wanted) < 2e-3 * max(1, abs(wanted)),
        "\(quantizer) at \(share): \(got), \(wanted)")
    }
  }

  @Test func whatIsClippedGetsNoGradient() throws {
    let quantizer = try Quantizer(IntegerFormat.int4, .token)
    let x = Tensor([1, 4], elements: [7, 1, -3, 2])
    let pass = try Pass(LearnedClipping(), quantizer, x, [LearnedClipping.state: vector([0.5])])
    #expect(pass.x.elements == [0, 1, 1, 1])
    #expect(pass.value.elements == [3.5, 1, -3, 2])
    let whole = try Pass(LearnedClipping(), quantizer, x, [LearnedClipping.state: vector([1])])
    #expect(whole.x.elements == [1, 1, 1, 1])
  }

  @Test func trainedEqualsShippedAndAShareOfOneClipsNothing() throws {
    let x = rows()
    for quantizer in try quantizers() {
      for share in [Float(0.4), 0.9, 1] {
        let state = [LearnedClipping.state: vector([share])]
        let trained = try Pass(LearnedClipping(), quantizer, x, state).value
        expectSameBits(trained, try LearnedClipping().quantized(x, quantizer, state).tensor)
        if share == 1 { expectSameBits(trained, try quantizer.projected(x)) }
      }
    }
  }

  @Test func theShareStaysInItsDomain() {
    for (share, kept) in [
      (Float(-1), Float(0.05)), (0.01, 0.05), (0.7, 0.7), (3, 1.5), (.nan, 1), (.infinity, 1.5),
    ] {
      var state = [LearnedClipping.state: vector([share])]
      LearnedClipping().constrain(&state)
      #expect(state[LearnedClipping.state]!.item == kept, "\(share)")
    }
  }

  @Test func atThreeBitsLearningItKeepsMore() throws {
    let quantizer = try Quantizer(IntegerFormat(bits: 3), .token)
    var random = RandomStream(seed: 5)
    let x = random.normal([32, 64], standardDeviation: 1)
    let found = try descend(
      LearnedClipping(), quantizer, x, [LearnedClipping.state: vector([1])], rate: 0.3, steps: 60)
    #expect(found.errors.last! < 0.9 * found.errors[0])
    #expect((0.5..<0.95).contains(found.states[LearnedClipping.state]!.item))
  }

  @Test func aPlanPreparesItWithoutCalibration() throws {
    let rule = QuantizationRule(
      format: "int4", granularity: .token, isSymmetric: false, estimator: "clip(initial=0.9)")
    #expect(rule.isDynamic)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"), activations: rule)
    var (model, parameters) = Llama.initialized(ShippingTests.configuration, seed: 1)
    let plan = try QuantizationPlan(scheme, for: parameters)
    #expect(!plan.needsCalibration)
    try plan.prepare(&parameters)
    let states = plan.siteStatePaths
    #expect(states.count == 5 && states.allSatisfy { $0.name.hasSuffix("_clip") })
    for path in states {
      #expect(parameters[path].item == 0.9)
      #expect(parameters.parameter(at: path)?.kind == .quantizer)
      #expect(!plan.isStraightThrough(at: ParameterPath(String(path.name.dropLast(5)))))
    }
    let pass = ForwardPass(parameters, instrumentation: plan)
    _ = model(ShippingTests.tokens, pass)
    #expect(pass.fault == nil)
    // Frozen weights keep what activations learned.
    let frozen = try plan.frozen(parameters)
    #expect(states.allSatisfy { frozen.contains($0) })
  }
}
