import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// What exporters of Hugging Face folders share: plain tensors and their report, `config.json`, the
/// tokenizer and, for what the layout has no room for, the record of grids; then the weights, which
/// get their name last.
struct ModelFolderWriter {
  let model: ShippedModel
  let layout: String
  let options: ExportOptions
  /// Weights, tables, gains and offsets by name, in the order of the file.
  var weights = SafetensorsWriter()
  /// Keys of `config.json` beside the model's own.
  var configuration: [String: Any] = [:]
  /// What is written, tensor by tensor.
  var report: ExportReport
  /// Quantized weights that lie in the file as plain numbers, each on its grid.
  private var plainWeights: [ParameterPath] = []
  /// The plan to record; nil when the file's numbers are not those of its grids.
  private var plan: QuantizationPlan?
  /// Weights that took an online rotation back.
  private var unrotated: [ParameterPath: Tensor] = [:]

  /// - Parameter metadata: the `format` that the library which loads the folder looks for.
  /// - Throws: ``ExportError`` for options that make no sense for a folder.
  init(
    _ model: ShippedModel, layout: String, _ options: ExportOptions, metadata: String
  ) throws(ExportError) {
    if let type = options.floatType, type.torchName == nil {
      throw .unsupported(
        file: layout, what: "the type \(type.rawValue) for plain numbers",
        supported: "F32, F16 and BF16")
    }
    self.model = model
    self.layout = layout
    self.options = options
    plan = model.plan
    report = ExportReport(format: layout, fingerprint: model.scheme?.fingerprint)
    weights.metadata = ["format": metadata]
    weights.progress = options.progress
  }

  // MARK: Tensors

  /// A tensor as it goes into the file.
  func tensor(_ path: ParameterPath) -> Tensor { unrotated[path] ?? model.parameters[path] }

  /// Adds a tensor as plain numbers.
  mutating func add(_ path: ParameterPath, as type: ScalarType) {
    let tensor = tensor(path)
    let isExact = options.floatType == nil || type.holds(tensor)
    report.add(
      path, type.rawValue, byteCount: tensor.count * type.byteCount, trained: tensor,
      stored: isExact ? nil : type.rounded(tensor))
    weights.add(path.name, tensor, as: type)
    if isExact, plan?.quantizer(at: path) != nil { plainWeights.append(path) }
  }

  /// Multiplies online rotations back into weights, for runtimes that run none.
  /// - Throws: ``ExportError/impossible(format:path:what:because:instead:)`` where codes are in the
  ///   way.
  mutating func takeRotationsBack() throws {
    guard let found = try OnlineRotations.unrotated(model, format: layout) else { return }
    unrotated = found.weights
    plan = found.plan
    report.fingerprint = plan?.scheme.fingerprint
    report.notes.append(
      "R4 was multiplied back into \(unrotated.count) down_proj weights, in Float32")
  }

  /// Refuses a loss that is not allowed; where it is, the file records no grids.
  mutating func settle(rounding what: String, to type: ScalarType) throws(ExportError) {
    try report.check(options)
    guard !report.isExact, plan != nil else { return }
    plan = nil
    report.notes.append("\(what) are rounded to \(type.rawValue), so the scheme is not recorded")
  }

  /// Says so when somebody who never quantizes activations gets a scheme that does.
  mutating func noteActivations(leftTo runtime: String) {
    guard let plan = model.plan,
      plan.decisions.contains(where: { $0.shape == nil && $0.rule != nil })
    else { return }
    report.notes.append("activations are left to \(runtime), which does not quantize them")
  }

  // MARK: Files

  /// Writes the folder.
  mutating func write(to directory: URL, as type: ScalarType) throws -> ExportReport {
    try ModelFolder.create(directory)
    if let fingerprint = plan?.scheme.fingerprint ?? model.scheme?.fingerprint {
      weights.metadata["gyro_scheme"] = fingerprint
    }
    let own =
      switch model.network {
      case .language(let language): language.configuration.json
      case .image(let image): image.configuration.json
      }
    let config = try SchemeRecord.adding(
      plan?.scheme, to: own, type, layout: layout, keys: configuration)
    var names = ["config.json"]
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
    }
    let record = directory.appendingPathComponent(QuantizerRecord.fileName).path
    if FileManager.default.fileExists(atPath: record) { names.append(QuantizerRecord.fileName) }
    report.files = (names + files.map(\.lastPathComponent)).sorted()
    return report
  }
}
