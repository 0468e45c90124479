import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("Damaged and hostile ONNX files")
struct ONNXHostileTests {
  private static let scheme = QuantizationScheme(
    weights: QuantizationRule(format: "int4", granularity: .group(8), isSymmetric: false),
    activations: QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false))

  private func bytes(
    _ model: ShippedModel, _ change: (inout ONNXMetadata) -> Void = { _ in }
  ) throws -> [UInt8] {
    let forward = try ONNXModels.forward(model)
    var metadata = ONNXMetadata(model, codes: forward.codes)
    change(&metadata)
    return try metadata.file(around: forward.graph)
  }

  /// The error of reading such bytes; nil when they are read.
  private func failure(_ bytes: [UInt8]) throws -> (any Error)? {
    var failure: (any Error)?
    try inTemporaryFolder { folder in
      let file = folder.appending(path: "model.onnx")
      try Data(bytes).write(to: file)
      do {
        _ = try ONNXExporter().read(from: file)
      } catch {
        failure = error
      }
    }
    return failure
  }

  private func isTyped(_ error: (any Error)?) -> Bool {
    error is ExportError || error is CheckpointError || error is ConfigurationError
      || error is QuantizationError
  }

  @Test("A file that ends early is refused, wherever it ends")
  func truncation() throws {
    let whole = try bytes(ONNXModels.image(ONNXModels.images[3], Self.scheme))
    for place in stride(from: 0, to: whole.count, by: 211) {
      #expect(isTyped(try failure(Array(whole[..<place]))), "\(place) of \(whole.count) bytes")
    }
  }

  @Test("Any one changed byte gives a model or a typed error")
  func changes() throws {
    let whole = try bytes(ONNXModels.image(ONNXModels.images[3], Self.scheme))
    var random = SystemRandomNumberGenerator()
    for _ in 0..<60 {
      var changed = whole
      let place = Int.random(in: 0..<whole.count, using: &random)
      changed[place] ^= UInt8.random(in: 1...255, using: &random)
      let error = try failure(changed)
      #expect(error == nil || isTyped(error), "byte \(place) became \(changed[place]): \(error!)")
    }
  }

  /// A field of a message: its tag, its length and its content.
  private func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
    var length = content.count
    var bytes = [number << 3 | 2]
    repeat {
      bytes.append(UInt8(length & 0x7f) | (length > 0x7f ? 0x80 : 0))
      length >>= 7
    } while length > 0
    return bytes + content
  }

  @Test("A small file cannot ask for much memory")
  func bombs() throws {
    let nodes = [UInt8](repeating: 0, count: 2 << 20).enumerated().map { place, _ in
      place.isMultiple(of: 2) ? UInt8(1 << 3 | 2) : 0
    }
    #expect(try failure(field(7, nodes)) is ExportError)
    let extents = field(5, field(1, [UInt8](repeating: 1, count: 1 << 20)))
    #expect(try failure(field(7, extents)) is ExportError)
    // Lengths beyond the end, and numbers that never end.
    #expect(try failure([7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x0f]) is ExportError)
    #expect(try failure([UInt8](repeating: 0xff, count: 64)) is ExportError)
    #expect(try failure([]) is ExportError)
  }

  @Test("A configuration for more than the file holds is refused before anything is made of it")
  func budget() throws {
    let language = try ONNXModels.language(Self.scheme)
    func withConfiguration(_ old: String, _ new: String) throws -> (any Error)? {
      let bytes = try bytes(language) { metadata in
        let text = String(decoding: metadata.config, as: UTF8.self)
        #expect(text.contains(old))
        metadata.config = Data(text.replacing(old, with: new).utf8)
      }
      return try failure(bytes)
    }
    for key in ["vocab_size", "hidden_size", "intermediate_size", "max_position_embeddings"] {
      let text = String(decoding: language.language!.configuration.json, as: UTF8.self)
      let line = try #require(text.split(separator: "\n").first { $0.contains("\"\(key)\"") })
      let error = try withConfiguration(String(line), "  \"\(key)\" : 2147483646,")
      #expect(isTyped(error), "\(key): \(String(describing: error))")
    }
    let layers = try withConfiguration(
      "\"num_hidden_layers\" : 1", "\"num_hidden_layers\" : 2147483646")
    #expect(isTyped(layers))
    let image = try ONNXModels.image(ONNXModels.images[3], nil)
    let wide = try bytes(image) { metadata in
      let text = String(decoding: metadata.config, as: UTF8.self)
      metadata.config = Data(
        text.replacing("\"hidden\"", with: "\"hidden\":[1048576],\"old\"").utf8)
    }
    #expect(try failure(wide) is ExportError)
  }

  @Test("Graphs of other programs are refused with the reason")
  func strangers() throws {
    let graph = field(2, Array("pytorch".utf8)) + field(7, [])
    let error = try #require(try failure(graph) as? ExportError)
    guard case .unsupported(_, let what, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(what.contains("pytorch"))
    try inTemporaryFolder { folder in
      let file = folder.appending(path: "missing.onnx")
      #expect(!ONNXExporter().recognizes(file))
      #expect(!ONNXExporter().recognizes(folder))
      #expect(throws: CheckpointError.self) { try ONNXExporter().read(from: file) }
    }
  }

  @Test("A scheme that is not the one of the fingerprint, or states that are missing, are refused")
  func mismatches() throws {
    let model = try ONNXModels.image(ONNXModels.images[3], Self.scheme)
    let without = try bytes(model) { $0.states = [:] }
    #expect(try failure(without) is ExportError)
    let infinite = try bytes(model) { metadata in
      metadata.states = metadata.states.mapValues { $0.map { _ in Float.infinity.bitPattern } }
    }
    #expect(try failure(infinite) is ExportError)
    let other = try bytes(model) { $0.scheme?.weights?.granularity = .channel }
    #expect(isTyped(try failure(other)))
  }
}
