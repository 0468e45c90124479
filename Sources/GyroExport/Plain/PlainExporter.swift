public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Plain numbers in the ordinary layout of a Hugging Face folder, every weight on its grid: what
/// simulates the quantized model wherever float models run.
///
/// The numbers say nothing about their scales, so these, and activations' ranges, lie beside them in
/// `quantizers.gyro`; dividing by a scale finds the code again. Other programs pass over both that
/// file and the scheme in `config.json`. When numbers had to be rounded, or R4 was taken out of a
/// model that had nothing else, there are no grids, and neither is written.
public struct PlainExporter: CheckpointExporter {
  public init() {}

  public let name = "safetensors"
  public let summary = "plain numbers, each on its grid, in Hugging Face layout"
  public let runtimes = "transformers, vLLM, mlx-lm, llama.cpp's converter: whatever loads floats"
  public let storages: [String] = []
  public let writesFolder = true

  public func fidelity(of demand: ExportDemand, _ options: ExportOptions) -> Fidelity {
    switch demand {
    case .weight(_, let rule):
      switch options.floatType {
      case .float16 where rule != nil, .bfloat16 where rule != nil:
        .within(
          options.floatType == .float16 ? 0x1p-11 : 0x1p-8,
          because: "values are rounded to \(options.floatType!.rawValue)")
      default: .exact
      }
    case .activation(let site, _):
      .leftToRuntime(
        site.kind == .keys || site.kind == .values
          ? "keys and values are cached as floats" : "activations stay float")
    case .transform(let site, _): OnlineRotations.fidelity(site)
    }
  }

  public func write(
    _ model: ShippedModel, to destination: URL, _ options: ExportOptions
  ) throws -> ExportReport {
    try ModelFolderWriter.check(options, format: name)
    var folder = ModelFolderWriter(model, layout: name, options, metadata: "pt")
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
    let paths = parameters.paths.filter { !states.contains($0) }
    let tensors = paths.map { unrotated?.weights[$0] ?? parameters[$0] }
    let type = options.floatType ?? .narrowest(holding: tensors)
    for (path, tensor) in zip(paths, tensors) {
      let isExact = options.floatType == nil || type.holds(tensor)
      report.add(
        path, type.rawValue, byteCount: tensor.count * type.byteCount, trained: tensor,
        stored: isExact ? nil : type.rounded(tensor))
      folder.weights.add(path.name, tensor, as: type)
    }
    try report.check(options)
    if report.isExact {
      folder.plainWeights = paths.filter { folder.plan?.quantizer(at: $0) != nil }
    } else if folder.plan != nil {
      folder.plan = nil
      report.notes.append("numbers are rounded to \(type.rawValue), so no grids are recorded")
    }
    if let plan = model.plan, plan.decisions.contains(where: { $0.shape == nil && $0.rule != nil })
    {
      report.notes.append("activations are left to the runtime, which does not quantize them")
    }
    report.files = try folder.write(to: destination, as: type)
    return report
  }

  public func read(from source: URL) throws -> ShippedModel { try ShippedModel(contentsOf: source) }

  public func recognizes(_ source: URL) -> Bool {
    guard let config = FolderConfiguration(source), FolderConfiguration.hasWeights(source) else {
      return false
    }
    let isQuantized =
      config.object["quantization_config"] != nil || config.object["quantization"] != nil
    return config.layout == name || !config.hasScheme && !isQuantized
  }
}
