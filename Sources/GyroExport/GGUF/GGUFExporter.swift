public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroText

/// One file for llama.cpp and what is built on it: metadata, tokenizer and tensors in GGUF.
///
/// Trained codes go into ggml's blocks as they are (`GGUFChoice` says which block for which format);
/// what no block holds is stored as plain numbers, each the trained one, of the narrowest type that
/// holds them all. Activations are the runtime's: llama.cpp quantizes them in its own way next to
/// quantized weights.
public struct GGUFExporter: CheckpointExporter {
  public init() {}

  public let name = "gguf"
  public let summary = "one file of blocks, with metadata and tokenizer"
  public let runtimes = "llama.cpp, Ollama, LM Studio, llama-cpp-python, transformers"
  public var storages: [String] { GGUFType.storages.map(\.name) }
  public let writesFolder = false

  // MARK: Writing

  public func write(
    _ model: ShippedModel, to destination: URL, _ options: ExportOptions
  ) throws -> ExportReport {
    guard let language = model.language else {
      throw ExportError.impossible(
        format: name, path: "", what: "an image classifier",
        because: "llama.cpp runs language models", instead: "Export it as onnx.")
    }
    let forced = try forcedType(options)
    let names = GGUFNames(configuration: language.configuration)
    var report = ExportReport(format: name)
    report.notes = try checked(model, options, instead: Self.advice)

    var writer = GGUFWriter()
    var tensors = GGUFTensors(model, names, options, forced: forced, report: report)
    try tensors.add(to: &writer)
    report = tensors.report
    try report.check(options)

    addGeneral(names, mostly: tensors.mostlyType, to: &writer.metadata)
    for (key, value) in GGUFConfiguration.values(names) { writer.metadata.add(key, value) }
    if let tokenizer = language.tokenizer {
      var values = try GGUFTokenizerWriter(tokenizer, rows: language.configuration.vocabulary)
      for (key, value) in try values.values() { writer.metadata.add(key, value) }
      report.notes += values.notes
    } else {
      writer.metadata.add("tokenizer.ggml.model", .text("no_vocab"))
    }
    addOwn(model, language, tensors, &report, to: &writer.metadata)
    try writer.write(to: destination, progress: options.progress)
    report.files = [destination.lastPathComponent]
    return report
  }

  /// The type that all quantized weights shall have, if any.
  func forcedType(_ options: ExportOptions) throws(ExportError) -> GGUFType? {
    if let type = options.floatType, GGUFType(type) == nil {
      throw .unknownStorage(type.rawValue, format: name, known: ["F32", "F16", "BF16"])
    }
    guard let wanted = options.storage else { return nil }
    guard let found = GGUFType.storages.first(where: { $0.name == wanted.lowercased() }) else {
      throw .unknownStorage(wanted, format: name, known: storages)
    }
    return found.type
  }

  private static func advice(_ demand: ExportDemand) -> String {
    if case .transform = demand { return "Train with rotations [r1, r2], which merge completely." }
    return "Leave the storage out: the best one is found for each weight."
  }

  private func addGeneral(
    _ names: GGUFNames, mostly type: GGUFType, to metadata: inout GGUFMetadata
  ) {
    let millions = Double(names.configuration.parameterCount) / 1e6
    let size =
      millions < 1000
      ? "\((millions * 10).rounded() / 10)M" : "\((millions / 100).rounded() / 10)B"
    metadata.add("general.architecture", .text(names.architecture))
    metadata.add("general.type", .text("model"))
    metadata.add("general.name", .text("\(names.architecture) \(size)"))
    metadata.add("general.size_label", .text(size))
    metadata.add("general.file_type", .uint32(Int(type.fileType)))
    metadata.add("general.quantization_version", .uint32(2))
  }

  /// What makes the file read back as the same model.
  private func addOwn(
    _ model: ShippedModel, _ language: LanguageModel, _ tensors: GGUFTensors,
    _ report: inout ExportReport, to metadata: inout GGUFMetadata
  ) {
    metadata.add(
      GGUFKeys.configuration, .string(Array(language.configuration.json)))
    guard let plan = model.plan else { return }
    guard tensors.keepsCodes else {
      report.notes.append("weights are rounded to plain numbers, so their scheme is not recorded")
      return
    }
    metadata.add(GGUFKeys.scheme, .string(Array(SchemeRecord.text(of: plan.scheme))))
    metadata.add(GGUFKeys.fingerprint, .text(plan.scheme.fingerprint))
    report.fingerprint = plan.scheme.fingerprint
    for path in plan.siteStatePaths where model.parameters.contains(path) {
      let state = model.parameters[path]
      metadata.add(GGUFKeys.state(path), .float32s(state.elements))
      metadata.add(GGUFKeys.stateShape(path), .int32s(state.shape.dimensions))
    }
    for (key, value) in tensors.extras { metadata.add(key, value) }
  }

  // MARK: Reading

  public func read(from source: URL) throws -> ShippedModel {
    try GGUFImport(GGUFFile(contentsOf: source)).model()
  }

  public func recognizes(_ source: URL) -> Bool {
    guard let handle = try? FileHandle(forReadingFrom: source) else { return false }
    defer { try? handle.close() }
    return (try? handle.read(upToCount: 4)).flatMap { $0 }.map { Array($0) == GGUFFile.magic }
      ?? false
  }
}
