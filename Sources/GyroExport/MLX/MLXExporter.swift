public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// A folder as mlx-lm writes and loads it: `<module>.weight` U32 `[out, in · bits / 32]` with
/// `<module>.scales` and, in the affine mode, `<module>.biases` `[out, in / group]`; layers that MLX
/// has no code for as plain numbers, every one on its grid.
///
/// Unless a type is asked for, scales and plain numbers of a model with codes are F32, in which MLX
/// then computes, as training did. Codes and scales are the trained ones; what the layout has no
/// room for (activations' ranges, grids of layers stored as plain numbers) lies in
/// `quantizers.gyro` beside it.
public struct MLXExporter: CheckpointExporter {
  public init() {}

  public let name = "mlx"
  public let summary = "MLX's group-affine codes, mxfp4, mxfp8"
  public let runtimes = "mlx-lm, MLX Swift"
  public let storages: [String] = []
  public let writesFolder = true

  public func fidelity(of demand: ExportDemand, _ options: ExportOptions) -> Fidelity {
    switch demand {
    case .weight(let parameter, let rule):
      weight(parameter, rule, options)
    case .activation(let site, _):
      .leftToRuntime(
        site.kind == .keys || site.kind == .values
          ? "MLX caches keys and values its own way" : "MLX computes with float activations")
    case .transform(let site, _): OnlineRotations.fidelity(site)
    }
  }

  private func weight(
    _ parameter: Parameter, _ rule: QuantizationRule?, _ options: ExportOptions
  ) -> Fidelity {
    guard parameter.kind != .convolution else {
      return .impossible("mlx-lm runs language models only")
    }
    guard let rule, let format = FormatNames.format(rule.element) else { return .exact }
    let code = MLXCode(
      format, rule.granularity, rule.scale, isSymmetric: rule.isSymmetric, shape: parameter.shape)
    guard let code, code.mode != .nvfp4, !learnsLevels(rule) else {
      return .within(0, because: "stored as plain numbers: " + reason(rule, parameter.shape))
    }
    // Whole numbers times a power of two fit both types; their range is that of the scales.
    guard code.mode == .affine, let type = options.floatType, type != .float32,
      type != .bfloat16 || ![.powerOfTwo, .e8m0].contains(rule.scale)
    else { return .exact }
    let error: Float = type == .float16 ? 0x1p-11 : 0x1p-8
    return .within(
      error * Float(2 << code.bits), because: "MLX decodes in \(type.rawValue), product by product")
  }

  /// Whether a weight has levels of its own, whatever the format's name.
  private func learnsLevels(_ rule: QuantizationRule) -> Bool {
    ["ttq", "flexible-float"].contains { rule.estimator.hasPrefix($0) }
  }

  /// Why a weight has no code.
  private func reason(_ rule: QuantizationRule, _ shape: Shape) -> String {
    if learnsLevels(rule) { return "its levels are learned" }
    if rule.format == "nvfp4" { return "MLX's nvfp4 has no scale per tensor" }
    if rule.scale == .e4m3 { return "MLX has one level of scales" }
    guard FormatNames.format(rule.element) is IntegerFormat else {
      return "MLX has no \(rule.summary)"
    }
    return "MLX's groups are of 32, 64 or 128"
  }

  public func write(
    _ model: ShippedModel, to destination: URL, _ options: ExportOptions
  ) throws -> ExportReport {
    try ModelFolderWriter.check(options, format: name)
    guard model.language != nil else {
      throw ExportError.impossible(
        format: name, path: model.image?.configuration.architecture.name ?? "", what: "the model",
        because: "mlx-lm runs language models only", instead: "Export it as onnx or safetensors.")
    }
    var folder = ModelFolderWriter(model, layout: name, options, metadata: "mlx")
    var report = ExportReport(format: name, fingerprint: model.scheme?.fingerprint)
    let unrotated = try OnlineRotations.unrotated(model, format: name)
    if let unrotated {
      folder.plan = unrotated.plan
      report.fingerprint = unrotated.plan?.scheme.fingerprint
      report.notes.append(
        "R4 was multiplied back into \(unrotated.weights.count) down_proj weights, in Float32")
    }
    let parameters = model.parameters
    let states = Set(model.plan?.siteStatePaths ?? [])
    var coded: [MLXWeight] = []
    var plain: [(path: ParameterPath, tensor: Tensor)] = []
    for path in parameters.paths where !states.contains(path) {
      let tensor = unrotated?.weights[path] ?? parameters[path]
      if let weight = MLXWeight(path, tensor, model.plan?.quantizer(at: path)) {
        coded.append(weight)
      } else {
        plain.append((path, tensor))
      }
    }
    // MLX computes in this type, so a narrow one costs more than the numbers it holds.
    let type =
      options.floatType
      ?? (coded.isEmpty ? .narrowest(holding: plain.map(\.tensor)) : .float32)
    if type != .float32 {
      report.notes.append("MLX computes in the type of the plain numbers, \(type.rawValue)")
    }
    for weight in coded {
      let trained = parameters[weight.path]
      let isExact = type == .float32 || weight.numbers.allSatisfy(type.holds)
      report.add(
        weight.path, weight.code.summary, byteCount: weight.byteCount(type), trained: trained,
        stored: isExact ? nil : weight.decoded(type))
      weight.add(to: &folder.weights, as: type)
    }
    for (path, tensor) in plain {
      let isExact = options.floatType == nil || type.holds(tensor)
      report.add(
        path, type.rawValue, byteCount: tensor.count * type.byteCount, trained: tensor,
        stored: isExact ? nil : type.rounded(tensor))
      folder.weights.add(path.name, tensor, as: type)
    }
    try report.check(options)
    if report.isExact {
      folder.plainWeights = plain.map(\.path).filter { folder.plan?.quantizer(at: $0) != nil }
    } else if folder.plan != nil {
      folder.plan = nil
      report.notes.append("scales are rounded to \(type.rawValue), so the scheme is not recorded")
    }
    note(plain.map(\.path), model, &report)
    folder.configuration = MLXConfiguration.keys(coded, plain.map(\.path), parameters)
    report.files = try folder.write(to: destination, as: type)
    return report
  }

  private func note(
    _ plain: [ParameterPath], _ model: ShippedModel, _ report: inout ExportReport
  ) {
    guard let plan = model.plan else { return }
    let kept = plain.filter { plan.quantizer(at: $0) != nil }
    if let first = kept.first {
      report.notes.append(
        "\(kept.count) quantized weights are stored as plain numbers, each on its grid, because MLX "
          + "has no code for them; the first is \(first)")
    }
    if plan.decisions.contains(where: { $0.shape == nil && $0.rule != nil }) {
      report.notes.append("activations are left to MLX, which does not quantize them")
    }
  }

  public func read(from source: URL) throws -> ShippedModel {
    try MLXReading(source).model()
  }

  public func recognizes(_ source: URL) -> Bool {
    guard let config = FolderConfiguration(source), FolderConfiguration.hasWeights(source) else {
      return false
    }
    let quantization = config.object["quantization"] as? [String: Any]
    return config.layout == name || !config.hasScheme && quantization?["group_size"] != nil
  }
}
