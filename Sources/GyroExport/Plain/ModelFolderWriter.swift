import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// What exporters of Hugging Face folders share: `config.json`, the tokenizer and, for what the
/// layout has no room for, the record of grids; then the weights, which get their name last.
struct ModelFolderWriter {
  let model: ShippedModel
  let layout: String
  let options: ExportOptions
  /// Weights, tables, gains and offsets by name, in the order of the file.
  var weights = SafetensorsWriter()
  /// Keys of `config.json` beside the model's own.
  var configuration: [String: Any] = [:]
  /// Quantized weights that lie in the file as plain numbers.
  var plainWeights: [ParameterPath] = []
  /// The plan to record; nil when the file's numbers are not those of its grids.
  var plan: QuantizationPlan?

  init(_ model: ShippedModel, layout: String, _ options: ExportOptions, metadata: String) {
    self.model = model
    self.layout = layout
    self.options = options
    plan = model.plan
    weights.metadata = ["format": metadata]
    weights.progress = options.progress
  }

  /// The float types such folders are written in.
  static let floatTypes: [ScalarType: String] = [
    .float32: "float32", .float16: "float16", .bfloat16: "bfloat16",
  ]

  /// Refuses options that make no sense for a folder.
  static func check(_ options: ExportOptions, format: String) throws(ExportError) {
    if let storage = options.storage {
      throw .unknownStorage(storage, format: format, known: [])
    }
    if let type = options.floatType, floatTypes[type] == nil {
      throw .unsupported(
        file: format, what: "the type \(type.rawValue) for plain numbers",
        supported: "F32, F16 and BF16")
    }
  }

  /// Writes the folder.
  /// - Returns: the names of its files.
  func write(to directory: URL, as type: ScalarType) throws -> [String] {
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    } catch {
      throw FileError.unwritable(path: directory.path, reason: error.localizedDescription)
    }
    var weights = weights
    if let fingerprint = plan?.scheme.fingerprint ?? model.scheme?.fingerprint {
      weights.metadata["gyro_scheme"] = fingerprint
    }
    var names: [String] = []
    let config = try configurationJSON(type)
    let files = try weights.write(toDirectory: directory) {
      if let tokenizer = model.language?.tokenizer {
        try tokenizer.write(to: directory)
        names.append("tokenizer.json")
      }
      if let plan {
        try QuantizerRecord.write(plainWeights, of: model.parameters, plan, to: directory)
      } else {
        try QuantizerRecord.remove(from: directory)
      }
      try AtomicFile.write(config, to: directory.appendingPathComponent("config.json"))
      names.append("config.json")
    }
    let record = directory.appendingPathComponent(QuantizerRecord.fileName).path
    if FileManager.default.fileExists(atPath: record) { names.append(QuantizerRecord.fileName) }
    return (names + files.map(\.lastPathComponent)).sorted()
  }

  private func configurationJSON(_ type: ScalarType) throws -> [UInt8] {
    let own =
      switch model.network {
      case .language(let language): language.configuration.json
      case .image(let image): image.configuration.json
      }
    var object = try JSONSerialization.jsonObject(with: own) as? [String: Any] ?? [:]
    object["torch_dtype"] = Self.floatTypes[type]
    if let plan {
      var record = try SchemeRecord.json(of: plan.scheme) as? [String: Any] ?? [:]
      record["layout"] = layout
      object["gyro"] = record
    }
    object.merge(configuration) { _, new in new }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
    return Array(data)
  }
}

/// A quick look at the `config.json` of a folder.
struct FolderConfiguration {
  let object: [String: Any]
  let data: Data

  /// nil when there is none, or it is no JSON object.
  init?(_ directory: URL) {
    guard let data = try? Data(contentsOf: directory.appendingPathComponent("config.json")),
      let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { return nil }
    self.data = data
    self.object = object
  }

  /// The layout that this project's exporters put into the file; nil for others' folders and for
  /// checkpoints of our own.
  var layout: String? { (object["gyro"] as? [String: Any])?["layout"] as? String }

  /// Whether there is a scheme of ours.
  var hasScheme: Bool { object["gyro"] != nil }

  /// Whether the folder has weights in safetensors files.
  static func hasWeights(_ directory: URL) -> Bool {
    ["model.safetensors", SafetensorsIndex.fileName].contains {
      FileManager.default.fileExists(atPath: directory.appendingPathComponent($0).path)
    }
  }
}
