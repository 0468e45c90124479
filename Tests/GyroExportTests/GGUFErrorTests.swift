import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("What GGUF refuses")
struct GGUFErrorTests {
  private typealias Support = GGUFSupport

  private static func message(
    _ model: ShippedModel, _ options: ExportOptions = ExportOptions()
  ) throws -> String {
    try Support.withFile { file in
      let error = #expect(throws: ExportError.self) {
        try GGUFExporter().write(model, to: file, options)
      }
      #expect(!Support.exists(file))
      return error?.description ?? ""
    }
  }

  @Test("R4 is impossible, R3 is left to the runtime")
  func rotations() throws {
    var scheme = Support.weights("int4", .group(32), .float16)
    scheme.rotations = RotationRule([.keys])
    let kept = try Support.model(scheme)
    let (back, report) = try Support.roundTrip(kept)
    #expect(report.notes.contains { $0.hasPrefix("R3 is left out") })
    #expect(back.scheme == scheme)
    scheme.rotations = RotationRule([.feedForward])
    let refused = try Support.model(scheme)
    #expect(
      Support.fidelity(refused).description.hasPrefix("impossible: llama.cpp runs no Hadamard"))
    let message = try Self.message(refused)
    #expect(message.hasSuffix("Train with rotations [r1, r2], which merge completely."))
  }

  @Test("Storage that does not exist or does not hold the codes is named")
  func storage() throws {
    let model = try Support.model(Support.weights("int8", .channel, .float16))
    #expect(
      try Self.message(model, ExportOptions(storage: "q3_k"))
        == "gguf has no storage type 'q3_k'; it has q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q6_k, "
        + "tq1_0, tq2_0, mxfp4, nvfp4, f16, bf16, f32")
    #expect(try Self.message(model, ExportOptions(storage: "q4_0")).contains("Q4_0"))
    #expect(Support.fidelity(model, ExportOptions(storage: "q4_0")).description.contains("Q4_0"))
    #expect(
      try Self.message(model, ExportOptions(floatType: .float64))
        == "gguf has no storage type 'F64'; it has F32, F16, BF16")
    #expect(try Self.message(model, ExportOptions(storage: "f16")).contains("--allow-lossy"))
  }

  @Test("Weights rounded to plain numbers lose their scheme, and the report says so")
  func roundedPlain() throws {
    let model = try Support.model(Support.weights("int8", .channel, .float16))
    let options = ExportOptions(storage: "bf16", allowsLoss: true)
    let (back, report) = try Support.roundTrip(model, options)
    #expect(back.scheme == nil && report.fingerprint == nil)
    #expect(report.notes.contains { $0.contains("their scheme is not recorded") })
    let worst = report.entries.compactMap(\.signalToNoise).min()!
    #expect((40...65).contains(worst), "\(worst) dB")  // 2^−9 of a value is 54 dB
  }

  @Test("A model with a parameter that llama.cpp has no tensor for is refused")
  func parameters() throws {
    var configuration = Support.configuration(.qwen3)
    configuration.outputBias = true
    let message = try Self.message(try Support.model(nil, configuration))
    #expect(message.contains("'model.layers.0.self_attn.o_proj.bias'"))
  }

  private static func edited(
    _ model: ShippedModel, _ change: (inout GGUFMetadata, String, GGUFValue) -> Void
  ) throws -> String {
    try Support.withFile { file in
      _ = try GGUFExporter().write(model, to: file, ExportOptions())
      let original = try GGUFFile(contentsOf: file)
      var writer = GGUFWriter()
      for (key, value) in original.metadata.entries { change(&writer.metadata, key, value) }
      for entry in original.entries {
        writer.add(entry.name, entry.extents, entry.type!) { target in
          try target.write([UInt8](repeating: 0, count: entry.byteCount))
        }
      }
      let other = file.deletingLastPathComponent().appendingPathComponent("other.gguf")
      try writer.write(to: other) { _, _ in }
      do {
        _ = try GGUFExporter().read(from: other)
        return "read"
      } catch {
        return "\(error)"
      }
    }
  }

  @Test("Metadata that asks for more than the tensors hold is refused before memory is taken")
  func hostileShapes() throws {
    var configuration = LlamaConfiguration(
      vocabulary: 8, hidden: 32, feedForward: 32, layers: 1, heads: 2, context: 16)
    configuration.tiedEmbeddings = true
    let model = try Support.model(nil, configuration)
    for key in [
      "block_count", "embedding_length", "attention.head_count", "attention.key_length",
      "context_length", "feed_forward_length", "attention.head_count_kv",
    ] {
      for value in [0, 7, 1 << 30, (1 << 32) - 1] {
        let message = try Self.edited(model) { metadata, name, old in
          if name != GGUFKeys.configuration {
            metadata.add(name, name == "llama." + key ? .uint32(value) : old)
          }
        }
        // Seven is a context like any other.
        #expect((message == "read") == (key == "context_length" && value == 7), "\(key) \(value)")
      }
    }
  }

  @Test("Scales, zero points and schemes of our own that do not fit are refused")
  func hostileKeys() throws {
    let model = try Support.model(Support.weights("int8", .channel, .float16, symmetric: false))
    for prefix in ["gyro.scales.", "gyro.zero_points.", "gyro.fingerprint", "gyro.scheme"] {
      for value in [GGUFValue.text("AAAA"), .text("no base 64"), .bool(true)] {
        let message = try Self.edited(model) { metadata, name, old in
          metadata.add(name, name.hasPrefix(prefix) ? value : old)
        }
        #expect(message != "read", "\(prefix)")
      }
    }
    let blocks = try Support.model(Support.weights("int4", .group(32), .float16))
    let message = try Self.edited(blocks) { $0.add($1, $2) }  // scales of zero
    #expect(message.contains("positive, finite scales"))
  }
}
