import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroText
import TestSupport
import Testing

/// Replays the corpora of `Fuzzing/`: valid files, and everything that once broke a reader. Each is
/// taken or refused with one of the library's own errors; a trap would end the suite.
@Suite("Files that fuzzing found")
struct FuzzCorpusTests {
  private static let corpus = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fuzzing/Corpus")

  /// The files of one target, sorted by name.
  static func inputs(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
    let folder = corpus.appending(path: target)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
      ($0, Array(try Data(contentsOf: folder.appending(path: $0))))
    }
  }

  private static func replay(
    _ target: String, _ read: ([UInt8], URL) throws -> Void,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try TemporaryFolder()
    let inputs = try inputs(target)
    #expect(!inputs.isEmpty, sourceLocation: sourceLocation)
    for (name, bytes) in inputs {
      do {
        try read(bytes, folder.url)
      } catch {
        let isOwn =
          error is CheckpointError || error is ConfigurationError || error is TokenizerError
          || error is QuantizationError || error is ExportError || error is FileError
        #expect(isOwn, "\(target)/\(name): \(type(of: error))", sourceLocation: sourceLocation)
        #expect(
          !name.hasPrefix("seed"), "\(target)/\(name): \(error)", sourceLocation: sourceLocation)
      }
    }
  }

  /// Writes the two files that an input stands for: `u16 length | first | second`.
  private static func write(_ bytes: [UInt8], to folder: URL) throws {
    let length =
      bytes.count < 2 ? 0 : min(Int(bytes[0]) | Int(bytes[1]) << 8, bytes.count - 2)
    let first = bytes.count < 2 ? bytes[...] : bytes[2..<2 + length]
    try Data(first).write(to: folder.appending(path: "config.json"))
    try Data(bytes.dropFirst(2 + length)).write(to: folder.appending(path: "model.safetensors"))
  }

  private static func replay(_ target: String, _ exporter: any CheckpointExporter) throws {
    try replay(target) { bytes, folder in
      guard exporter.writesFolder else {
        let file = folder.appending(path: "model." + target)
        try Data(bytes).write(to: file)
        _ = try exporter.read(from: file)
        return
      }
      try write(bytes, to: folder)
      _ = try exporter.read(from: folder)
    }
  }

  @Test func safetensors() throws {
    try Self.replay("safetensors") { bytes, folder in
      let url = folder.appending(path: "file.safetensors")
      try Data(bytes).write(to: url)
      let file = try SafetensorsFile(contentsOf: url)
      for name in file.names { _ = (try? file.tensor(name), try? file.integers(name)) }
    }
  }

  @Test func index() throws {
    try Self.replay("safetensors-index") { bytes, folder in
      let url = folder.appending(path: SafetensorsIndex.fileName)
      try Data(bytes).write(to: url)
      _ = try SafetensorsIndex(contentsOf: url)
    }
  }

  @Test func tokenizer() throws {
    try Self.replay("tokenizer") { bytes, _ in
      let tokenizer = try Tokenizer(json: bytes)
      _ = tokenizer.decode(tokenizer.encode(" The fox's 12\r\n\u{E9}\u{1F600}<s></s>"))
    }
  }

  @Test func configuration() throws {
    try Self.replay("config") { bytes, _ in
      let configuration = try LlamaConfiguration(json: Data(bytes))
      _ = (configuration.parameterCount, configuration.json)
    }
  }

  @Test func imageCheckpoint() throws {
    try Self.replay("image-checkpoint") { bytes, folder in
      try Self.write(bytes, to: folder)
      _ = try ImageModel(contentsOf: folder)
    }
  }

  @Test func quantizedCheckpoint() throws {
    try Self.replay("quantized-checkpoint") { bytes, folder in
      try Self.write(bytes, to: folder)
      _ = try LanguageModel(contentsOf: folder)
    }
  }

  @Test func gguf() throws { try Self.replay("gguf", GGUFExporter()) }
  @Test func onnx() throws { try Self.replay("onnx", ONNXExporter()) }
  @Test func compressedTensors() throws {
    try Self.replay("compressed-tensors", CompressedTensorsExporter())
  }
  @Test func mlx() throws { try Self.replay("mlx", MLXExporter()) }
  @Test func plain() throws { try Self.replay("plain", PlainExporter()) }
}
