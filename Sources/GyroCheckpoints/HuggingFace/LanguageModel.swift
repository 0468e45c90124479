public import Foundation
public import GyroModels
public import GyroQuantization
package import GyroTensors
public import GyroText

/// A language model as a Hugging Face folder holds it: structure, numbers, tokenizer and, when its
/// weights are stored as codes, the scheme they were quantized under.
public struct LanguageModel: Sendable {
  public var model: Llama
  public var parameters: ParameterStore
  /// nil when the folder has no `tokenizer.json`.
  public var tokenizer: Tokenizer?
  /// nil for a float checkpoint.
  public var scheme: QuantizationScheme?
  /// What the user should know about the checkpoint, one sentence each.
  public var warnings: [String]

  public init(
    model: Llama, parameters: ParameterStore, tokenizer: Tokenizer? = nil,
    scheme: QuantizationScheme? = nil, warnings: [String] = []
  ) {
    self.model = model
    self.parameters = parameters
    self.tokenizer = tokenizer
    self.scheme = scheme
    self.warnings = warnings
  }

  /// The shape of the model.
  public var configuration: LlamaConfiguration { model.configuration }
}

extension LanguageModel {
  /// Reads `config.json`, the weights (one file or shards, any float type; or int8 codes with their
  /// scales) and, if present, `tokenizer.json`.
  ///
  /// - Throws: `CheckpointError` (a file or tensor is missing, damaged or of another shape),
  ///   `ConfigurationError`, `TokenizerError`, `QuantizationError`.
  public init(contentsOf directory: URL) throws {
    try self.init(contentsOf: directory, reading: nil)
  }

  /// Reads a weight of another layout: its value and the names of the tensors it came from; nil
  /// leaves it to the reader of ordinary folders.
  package typealias WeightReader = (
    _ path: ParameterPath, _ shape: Shape, _ plan: QuantizationPlan?
  ) throws -> (value: Tensor, names: [String])?

  /// The same with weights in another layout.
  package init(contentsOf directory: URL, reading: WeightReader?) throws {
    let config = try ModelFolder.configuration(of: directory)
    let configuration = try LlamaConfiguration(json: config)
    let files = try SafetensorsDirectory(contentsOf: directory)
    try configuration.check(heldBy: files.byteCount)
    let build = ModelBuilder.unfilled()
    let model = Llama(configuration, build)
    var parameters = build.store
    let scheme = try SchemeRecord.scheme(in: config)
    let unused = try ModelFolder.fill(&parameters, from: files, scheme, reading: reading)
    var warnings = configuration.warnings
    if !unused.isEmpty {
      warnings.append(
        "\(unused.count) tensors of the checkpoint are not used: "
          + unused.prefix(4).joined(separator: ", ") + (unused.count > 4 ? ", …" : ""))
    }
    var tokenizer: Tokenizer?
    if FileManager.default.fileExists(
      atPath: directory.appendingPathComponent("tokenizer.json").path)
    {
      let loaded = try Tokenizer(contentsOf: directory)
      if loaded.vocabularySize > configuration.vocabulary {
        throw CheckpointError.vocabularyTooSmall(
          directory: directory.path, tokens: loaded.vocabularySize,
          rows: configuration.vocabulary)
      }
      tokenizer = loaded
    }
    self.init(
      model: model, parameters: parameters, tokenizer: tokenizer, scheme: scheme,
      warnings: warnings)
  }

  /// Writes the folder: weights last, so that a folder with weights is complete.
  ///
  /// Quantized weights are written as they are. Eight-bit whole numbers: I8 codes under the weight's
  /// own name and F32 scales `[rows, 1]` under `<name>_scale`. Other formats: packed codes and scales
  /// (`QuantizedWeight`). Everything else is rounded to `type`.
  ///
  /// - Throws: `FileError` or `CheckpointError`; what was there before then stays.
  public func write(to directory: URL, as type: ScalarType = .float32) throws {
    try ModelFolder.create(directory)
    let config = Array(try SchemeRecord.adding(scheme, to: configuration.json, type))
    try ModelFolder.write(parameters, scheme, to: directory, as: type) {
      if let tokenizer { try tokenizer.write(to: directory) }
      try AtomicFile.write(config, to: directory.appendingPathComponent("config.json"))
    }
  }
}
