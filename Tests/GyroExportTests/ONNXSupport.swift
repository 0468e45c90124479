import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import Testing

@testable import GyroExport

/// Small models on their grids, and the schemes that graphs are tried with.
enum ONNXModels {
  static let tokens = TokenWindow([1, 2, 3, 4, 5, 6], batch: 2, length: 3)

  static func configuration(
    _ change: (inout LlamaConfiguration) -> Void = { _ in }
  ) -> LlamaConfiguration {
    var configuration = LlamaConfiguration(
      vocabulary: 24, hidden: 32, feedForward: 32, layers: 1, heads: 4, keyValueHeads: 2,
      headSize: 16, context: 8)
    configuration.tiedEmbeddings = true
    configuration.initializerDeviation = 0.3
    change(&configuration)
    return configuration
  }

  /// A language model with gains and offsets that are not ones and zeros.
  static func language(
    _ scheme: QuantizationScheme?, _ change: (inout LlamaConfiguration) -> Void = { _ in }
  ) throws -> ShippedModel {
    var (model, parameters) = Llama.initialized(configuration(change), seed: 3)
    shake(&parameters)
    try calibrate(&parameters, scheme) { pass in _ = model(tokens, pass) }
    return try ShippedModel(LanguageModel(model: model, parameters: parameters, scheme: scheme))
  }

  static let images = [
    ImageModelConfiguration(.lenet, image: [1, 12, 12], classes: 3),
    ImageModelConfiguration(
      .resnet(widths: [4, 6], blocksPerStage: 1), image: [2, 6, 6], classes: 3),
    ImageModelConfiguration(
      .mobilenet(stem: 4, blocks: [.init(width: 6, stride: 2)]), image: [3, 6, 6], classes: 3),
    ImageModelConfiguration(.perceptron(hidden: [8]), image: [1, 4, 4], classes: 3),
  ]

  /// Two images of a configuration's size.
  static func examples(_ configuration: ImageModelConfiguration) -> Tensor {
    var random = RandomStream(seed: 5)
    return random.normal(Shape([2] + configuration.image), standardDeviation: 1)
  }

  static func image(
    _ configuration: ImageModelConfiguration, _ scheme: QuantizationScheme?
  ) throws -> ShippedModel {
    var model = try ImageModel(configuration, seed: 2)
    shake(&model.parameters)
    let network = model.model
    try calibrate(&model.parameters, scheme) { pass in
      _ = network(Variable(constant: examples(configuration)), pass) as Variable
    }
    model.scheme = scheme
    return try ShippedModel(model)
  }

  private static func shake(_ parameters: inout ParameterStore) {
    var random = RandomStream(seed: 9)
    for path in parameters.paths {
      let kind = parameters.parameter(at: path)!.kind
      let shape = parameters[path].shape
      if path.name.hasSuffix("running_var") {
        parameters[path] = random.uniform(shape, in: 0.3..<2)
      } else if kind == .bias || kind == .normalization || kind == .buffer {
        parameters[path] = parameters[path] + random.normal(shape, standardDeviation: 0.3)
      }
    }
  }

  private static func calibrate(
    _ parameters: inout ParameterStore, _ scheme: QuantizationScheme?,
    _ forward: (ForwardPass) -> Void
  ) throws {
    guard let scheme else { return }
    let plan = try QuantizationPlan(scheme, for: parameters)
    var calibration = try Calibration(for: plan)
    if plan.needsCalibration {
      let pass = ForwardPass(
        parameters, mode: .calibration, instrumentation: calibration.probe)
      forward(pass)
      try calibration.absorb(pass.statistics)
    }
    try plan.prepare(&parameters, with: calibration)
  }

  // MARK: What models and graphs compute

  static func inputs(_ model: ShippedModel) -> [String: Tensor] {
    if let image = model.image { return ["images": examples(image.configuration)] }
    let ids = Tensor([tokens.batch, tokens.length], elements: tokens.ids.map { Float($0) })
    return ["input_ids": ids]
  }

  static func logits(_ model: ShippedModel) -> Tensor {
    let instrumentation: any Instrumentation = model.plan ?? NoInstrumentation()
    let pass = ForwardPass(model.parameters, instrumentation: instrumentation)
    defer { #expect(pass.fault == nil) }
    if let image = model.image {
      return (image.model(Variable(constant: examples(image.configuration)), pass) as Variable)
        .value
    }
    return model.language!.model(tokens, pass).value
  }

  static func graph(_ model: ShippedModel) throws -> ONNXGraph { try forward(model).graph }

  static func forward(_ model: ShippedModel) throws -> ONNXForward {
    var forward = try ONNXForward(model, ExportOptions())
    switch model.network {
    case .language(let language): try forward.llama(language.configuration)
    case .image(let image): try forward.classifier(image.configuration)
    }
    return forward
  }

  // MARK: Schemes

  private static func rule(
    _ format: String, _ granularity: Granularity? = nil, _ scale: ScaleFormat? = nil,
    symmetric: Bool = true, isDynamic: Bool? = nil, estimator: String = "straight-through"
  ) -> QuantizationRule {
    QuantizationRule(
      format: format, granularity: granularity, scale: scale, isSymmetric: symmetric,
      isDynamic: isDynamic, estimator: estimator)
  }

  /// Weights of every way of storing codes.
  static let weights: [QuantizationScheme] = [
    rule("int8", .channel), rule("int8", .tensor), rule("int8", .group(16), .float16),
    rule("int8", .block(rows: 4, columns: 8)), rule("int8", .channel, symmetric: false),
    rule("int6", .group(8)), rule("int4", .group(16)), rule("int4", .channel, .bfloat16),
    rule("int4", .group(16), symmetric: false), rule("int4", .group(16), .e4m3),
    rule("int4", .group(8), .powerOfTwo), rule("int3", .channel), rule("int2", .group(16)),
    rule("int8-restricted", .channel), rule("e4m3", .channel), rule("e5m2", .tensor),
    rule("e4m3", .block(rows: 4, columns: 4)), rule("e3m4", .channel), rule("e2m1", .group(16)),
    rule("mxfp8"), rule("mxfp4"), rule("nvfp4"), rule("nf4", .group(16)), rule("binary", .tensor),
    rule("ternary", .channel, estimator: "twn"), rule("ternary", .tensor, estimator: "ttq"),
    rule("apot5", .channel), rule("e4m3", .channel, estimator: "flexible-float"),
  ].map {
    QuantizationScheme(weights: $0, embeddings: $0.estimator == "straight-through" ? $0 : nil)
  }

  /// Activations of every kind of arithmetic.
  static let activations: [QuantizationScheme] = [
    rule("int8", .token), rule("int8", .token, symmetric: false), rule("int8", .tensor),
    rule("int4", .group(8)), rule("int4", .head(size: 16), symmetric: false),
    rule("int8-restricted", .token), rule("int8", .token, .float16),
    rule("int8", .token, .bfloat16),
    rule("int8", .token, .powerOfTwo), rule("int8", .group(8), .e4m3), rule("e4m3", .token),
    rule("e5m2", .group(8)), rule("e2m1", .group(16)), rule("e3m4", .token), rule("mxfp8"),
    rule("nvfp4"), rule("nf4", .token), rule("ternary", .token),
    rule("int4", .token, symmetric: false, estimator: "clip(initial=0.8)"),
    rule("int8", .token, .float16, estimator: "clip(initial=0.8)"),
    rule("int8", .tensor, isDynamic: false),
    rule("int8", .tensor, symmetric: false, isDynamic: false),
    rule("int4", .tensor, isDynamic: false),
    rule("int4", .tensor, symmetric: false, isDynamic: false),
    rule("e4m3", .tensor, isDynamic: false), rule("int8", .tensor, .e4m3, isDynamic: false),
    rule("int8", .tensor, estimator: "lsq"),
    rule("int8", .tensor, symmetric: false, estimator: "lsq+"),
  ].map { QuantizationScheme(activations: $0, keys: $0, values: $0, exceptions: [], keep: []) }
    .map { scheme in
      var scheme = scheme
      scheme.weights = QuantizationRule(format: "int8", granularity: .channel)
      return scheme
    }
}
