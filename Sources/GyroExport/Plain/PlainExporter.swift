public import Foundation
import GyroCheckpoints
import GyroModels

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
    case .weight: .numbers(as: options.floatType)
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
    try refuseStorage(options)
    var folder = try ModelFolderWriter(model, layout: name, options, metadata: "pt")
    try folder.takeRotationsBack()
    let paths = model.tensorPaths
    let type = options.floatType ?? .narrowest(holding: paths.map(folder.tensor))
    for path in paths { folder.add(path, as: type) }
    try folder.settle(rounding: "numbers", to: type)
    folder.noteActivations(leftTo: "the runtime")
    return try folder.write(to: destination, as: type)
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
