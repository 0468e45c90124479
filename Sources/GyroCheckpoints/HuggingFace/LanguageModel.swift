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
    self.init(
      model: model, parameters: parameters,
      tokenizer: try Self.tokenizer(of: directory, configuration), scheme: scheme,
      warnings: configuration.warnings + Self.warnings(unused: unused))
  }

  /// The tokenizer beside a model; nil when there is none.
  /// - Throws: `TokenizerError`; `CheckpointError.vocabularyTooSmall`.
  package static func tokenizer(
    of directory: URL, _ configuration: LlamaConfiguration
  ) throws -> Tokenizer? {
    let file = directory.appendingPathComponent("tokenizer.json")
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    let tokenizer = try Tokenizer(contentsOf: directory)
    try check(tokenizer, configuration, in: directory.path)
    return tokenizer
  }

  /// Every token needs a row of the table of embeddings.
  /// - Throws: `CheckpointError.vocabularyTooSmall`.
  package static func check(
    _ tokenizer: Tokenizer, _ configuration: LlamaConfiguration, in path: String
  ) throws(CheckpointError) {
    guard tokenizer.vocabularySize <= configuration.vocabulary else {
      throw .vocabularyTooSmall(
        directory: path, tokens: tokenizer.vocabularySize, rows: configuration.vocabulary)
    }
  }

  /// What to say about tensors of a checkpoint that no part of the model asked for.
  package static func warnings(unused names: [String]) -> [String] {
    guard !names.isEmpty else { return [] }
    return [
      "\(names.count) tensors of the checkpoint are not used: "
        + names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", …" : "")
    ]
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
    let config = try SchemeRecord.adding(scheme, to: configuration.json, type)
    try ModelFolder.write(parameters, scheme, to: directory, as: type) {
      if let tokenizer { try tokenizer.write(to: directory) }
      try AtomicFile.write(config, to: directory.appendingPathComponent("config.json"))
    }
  }
}
