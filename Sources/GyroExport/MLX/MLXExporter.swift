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
    guard let code, code.mode != .nvfp4, !rule.learnsLevels else {
      return .within(0, because: "stored as plain numbers: " + reason(rule, parameter.shape))
    }
    // Whole numbers times a power of two fit both types; their range is that of the scales.
    guard code.mode == .affine, let type = options.floatType, type != .float32,
      type != .bfloat16 || ![.powerOfTwo, .e8m0].contains(rule.scale)
    else { return .exact }
    return .within(
      (type.roundoff ?? 1) * Float(2 << code.bits),
      because: "MLX decodes in \(type.rawValue), product by product")
  }

  /// Why a weight has no code.
  private func reason(_ rule: QuantizationRule, _ shape: Shape) -> String {
    if rule.learnsLevels { return "its levels are learned" }
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
    try refuseStorage(options)
    guard model.language != nil else {
      throw ExportError.impossible(
        format: name, path: model.image?.configuration.architecture.name ?? "", what: "the model",
        because: "mlx-lm runs language models only", instead: "Export it as onnx or safetensors.")
    }
    var folder = try ModelFolderWriter(model, layout: name, options, metadata: "mlx")
    try folder.takeRotationsBack()
    var coded: [MLXWeight] = []
    var plain: [ParameterPath] = []
    for path in model.tensorPaths {
      if let weight = MLXWeight(path, folder.tensor(path), model.plan?.quantizer(at: path)) {
        coded.append(weight)
      } else {
        plain.append(path)
      }
    }
    // MLX computes in this type, so a narrow one costs more than the numbers it holds.
    let type =
      options.floatType
      ?? (coded.isEmpty ? .narrowest(holding: plain.map(folder.tensor)) : .float32)
    if type != .float32 {
      folder.report.notes.append("MLX computes in the type of the plain numbers, \(type.rawValue)")
    }
    for weight in coded { weight.add(to: &folder, as: type) }
    for path in plain { folder.add(path, as: type) }
    try folder.settle(rounding: "scales", to: type)
    let kept = plain.filter { model.plan?.quantizer(at: $0) != nil }
    if let first = kept.first {
      folder.report.notes.append(
        "\(kept.count) quantized weights are stored as plain numbers, each on its grid, because MLX "
          + "has no code for them; the first is \(first)")
    }
    folder.noteActivations(leftTo: "MLX")
    folder.configuration = MLXConfiguration.keys(coded, plain, model.parameters)
    return try folder.write(to: destination, as: type)
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
