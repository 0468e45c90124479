import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("What is trained is what ships, under every scheme")
struct ShippingTests {
  static let configuration = LlamaConfiguration(
    vocabulary: 32, hidden: 64, feedForward: 96, layers: 1, heads: 2, context: 16)
  static let tokens = TokenWindow([1, 2, 3, 4, 5, 6], batch: 2, length: 3)

  /// Weights and activations of the methods of the papers.
  static let schemes: [(name: String, scheme: QuantizationScheme)] =
    [
      ("W8A8", .int8),
      ("W4A8 in groups", pair("int4", .group(32), "int8", .token)),
      (
        "W4A4 asymmetric",
        QuantizationScheme(
          weights: QuantizationRule(format: "int4", granularity: .channel, isSymmetric: false),
          activations: QuantizationRule(format: "int4", granularity: .token, isSymmetric: false))
      ),
      (
        "bfloat16 scales",
        QuantizationScheme(
          weights: QuantizationRule(format: "int4", granularity: .group(32), scale: .bfloat16))
      ),
      ("FP8", pair("e4m3", .channel, "e4m3", .token)),
      ("FP8 E5M2 per tensor", pair("e5m2", .tensor, "e5m2", .tensor)),
      ("MXFP4", pair("mxfp4", nil, "mxfp4", nil)),
      ("MXFP6", pair("mxfp6-e2m3", nil, "mxfp8", nil)),
      ("MXINT8", pair("mxint8", nil, "mxint8", nil)),
      ("NVFP4", pair("nvfp4", nil, "nvfp4", nil)),
      ("NF4", pair("nf4", .group(32), "int8", .token)),
      ("powers of two", pair("pot4", .channel, "int8", .token)),
      ("blocks", pair("int8", .block(rows: 16, columns: 32), "int8", .group(32))),
      (
        "searched",
        QuantizationScheme(
          weights: QuantizationRule(format: "int3", granularity: .channel, range: .clipSearch))
      ),
      (
        "static",
        QuantizationScheme(
          weights: QuantizationRule(format: "int8", granularity: .channel),
          activations: QuantizationRule(
            format: "int8", granularity: .tensor, range: .percentile(99.9),
            estimator: "clipped"))
      ),
      (
        "moving average",
        QuantizationScheme(
          weights: QuantizationRule(format: "int8", granularity: .channel),
          activations: QuantizationRule(
            format: "uint8", granularity: .tensor, isSymmetric: false, range: .movingAverage()))
      ),
    ] + learned

  /// Estimators with learned or transformed weights.
  static let learned: [(name: String, scheme: QuantizationScheme)] =
    GradientEstimators.names.compactMap { name in
      let formats = [
        "dorefa": "int2", "xnor": "binary", "bwn": "binary", "twn": "ternary",
        "ttq": "ternary", "flexible-float": "e4m3-finite", "pact": "uint4",
      ]
      let format = formats[name] ?? "int4"
      guard name != "stochastic", format != "uint4" else { return nil }
      let granularity: Granularity = ["dorefa", "ttq"].contains(name) ? .tensor : .channel
      return (
        name,
        QuantizationScheme(
          weights: QuantizationRule(
            format: format, granularity: granularity,
            isSymmetric: name != "lsq+" && name != "learned-range", estimator: name))
      )
    }

  static func pair(
    _ weights: String, _ granularity: Granularity?, _ activations: String, _ token: Granularity?
  ) -> QuantizationScheme {
    QuantizationScheme(
      weights: QuantizationRule(format: weights, granularity: granularity),
      activations: QuantizationRule(format: activations, granularity: token))
  }

  static func prepared(
    _ scheme: QuantizationScheme
  ) throws -> (model: Llama, parameters: ParameterStore, plan: QuantizationPlan) {
    var (model, parameters) = Llama.initialized(configuration, seed: 1)
    let plan = try QuantizationPlan(scheme, for: parameters)
    var calibration = try Calibration(for: plan)
    let pass = ForwardPass(parameters, mode: .calibration, instrumentation: calibration.probe)
    _ = model(tokens, pass)
    try calibration.absorb(pass.statistics)
    try plan.prepare(&parameters, with: calibration)
    return (model, parameters, plan)
  }

  @Test("the frozen model computes the same logits, bit for bit", arguments: schemes.indices)
  func frozen(_ index: Int) throws {
    let (name, scheme) = Self.schemes[index]
    let (model, parameters, plan) = try Self.prepared(scheme)
    let pass = ForwardPass(parameters, instrumentation: plan)
    let trained = model(Self.tokens, pass).value
    #expect(pass.fault == nil, "\(name)")
    let frozen = try plan.frozen(parameters)
    let shipped = model(Self.tokens, ForwardPass(frozen, instrumentation: plan)).value
    expectSame(trained.elements, shipped.elements, name)
    let float = model(Self.tokens, ForwardPass(parameters)).value
    #expect(trained.elements != float.elements, "\(name)")
    for path in frozen.paths where plan.quantizer(at: path) != nil {
      #expect(frozen[path].encoded != nil, "\(name): \(path) carries no codes")
    }
  }

  @Test("a training step differentiates every scheme", arguments: schemes.indices)
  func gradients(_ index: Int) throws {
    let (name, scheme) = Self.schemes[index]
    let (model, parameters, plan) = try Self.prepared(scheme)
    let result = try differentiate(
      parameters, mode: .training(step: 0), instrumentation: plan
    ) { model.nextTokenLoss(Self.tokens, targets: [2, 3, 4, 5, 6, 7], $0) }
    for path in parameters.parameterPaths {
      let gradient = try #require(result.gradients[path], "\(name): \(path) has no gradient")
      #expect(gradient.allFinite, "\(name): \(path)")
    }
    var moved = parameters
    plan.absorb(result.statistics, into: &moved)
    plan.constrain(&moved)
    for path in moved.paths where moved.parameter(at: path)?.kind == .quantizer {
      #expect(moved[path].allFinite)
    }
  }
}
