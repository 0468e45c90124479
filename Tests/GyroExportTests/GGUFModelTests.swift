import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("Models in GGUF")
struct GGUFModelTests {
  private typealias Support = GGUFSupport

  @Test("Rows of queries and keys come in neighboring pairs for llama, as they are for qwen")
  func rowOrder() throws {
    var names = GGUFNames(configuration: Support.configuration())
    let order = try #require(names.rowOrder(of: "model.layers.0.self_attn.q_proj.weight"))
    #expect(Array(order.prefix(6)) == [0, 8, 1, 9, 2, 10])
    #expect(Array(order[16..<20]) == [16, 24, 17, 25])
    #expect(order.sorted() == Array(0..<32))
    #expect(names.rowOrder(of: "model.layers.0.self_attn.k_proj.bias")?.count == 16)
    #expect(names.rowOrder(of: "model.layers.0.self_attn.v_proj.weight") == nil)
    names = GGUFNames(configuration: Support.configuration(.qwen2))
    #expect(names.rowOrder(of: "model.layers.0.self_attn.q_proj.weight") == nil)
  }

  @Test("Tensors are named as llama.cpp names them")
  func naming() {
    let names = GGUFNames(configuration: Support.configuration())
    #expect(names.name(of: "model.embed_tokens.weight") == "token_embd.weight")
    #expect(names.name(of: "model.layers.12.mlp.down_proj.bias") == "blk.12.ffn_down.bias")
    #expect(names.name(of: "model.layers.0.self_attn.o_proj.weight") == "blk.0.attn_output.weight")
    #expect(names.name(of: "model.layers.0.rotation") == nil)
    let qwen = GGUFNames(configuration: Support.configuration(.qwen2))
    #expect(qwen.name(of: "model.layers.0.self_attn.q_proj.bias") == "blk.0.attn_q.bias")
    #expect(qwen.name(of: "model.layers.0.self_attn.o_proj.bias") == nil)
  }

  private static var configurations: [LlamaConfiguration] {
    var list = LlamaConfiguration.Family.allCases.map(Support.configuration)
    var untied = Support.configuration()
    untied.tiedEmbeddings = false
    untied.queryKeyValueBias = true
    untied.outputBias = true
    untied.feedForwardBias = true
    untied.beginningOfText = 1
    untied.endOfText = [2, 3]
    list.append(untied)
    var linear = Support.configuration()
    linear.rotaryScaling = .linear(factor: 4)
    list.append(linear)
    var llama3 = Support.configuration()
    llama3.rotaryBase = 500000
    llama3.rotaryScaling = .llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    list.append(llama3)
    return list
  }

  @Test("Every architecture comes back: shape, numbers and logits")
  func architectures() throws {
    for configuration in Self.configurations {
      let model = try Support.model(nil, configuration)
      let (back, report) = try Support.roundTrip(model)
      #expect(back.language?.configuration == configuration)
      #expect(report.isExact && report.fingerprint == nil && back.scheme == nil)
      Support.expectSame(model, back, configuration.family.rawValue)
      expectSameBits(try Self.logits(back), try Self.logits(model))
    }
  }

  private static func logits(_ model: ShippedModel) throws -> Tensor {
    let language = try #require(model.language)
    let tokens = TokenWindow([1, 5, 9, 2], batch: 1, length: 4)
    return language.model(tokens, ForwardPass(model.parameters)).value
  }

  /// The same file without the keys of our own, as another program would have written it.
  private static func foreign(_ model: ShippedModel, _ body: (URL) throws -> Void) throws {
    try Support.withFile { file in
      _ = try GGUFExporter().write(model, to: file, ExportOptions())
      let original = try GGUFFile(contentsOf: file)
      var writer = GGUFWriter()
      for (key, value) in original.metadata.entries where !key.hasPrefix("gyro.") {
        writer.metadata.add(key, value)
      }
      for entry in original.entries {
        writer.add(entry.name, entry.extents, entry.type!) { target in
          var bytes = [UInt8](repeating: 0, count: entry.byteCount)
          try bytes.withUnsafeMutableBytes { try original.read(entry, fromRow: 0, into: $0) }
          try target.write(bytes)
        }
      }
      let other = file.deletingLastPathComponent().appendingPathComponent("other.gguf")
      try writer.write(to: other) { _, _ in }
      try body(other)
    }
  }

  @Test("Files of other programs are read by llama.cpp's keys: same shape, same numbers")
  func foreignShapes() throws {
    for configuration in Self.configurations where configuration.family != .mistral {
      let model = try Support.model(nil, configuration)
      try Self.foreign(model) { file in
        let back = try GGUFExporter().read(from: file)
        var expected = configuration
        // What llama.cpp has no keys for.
        expected.initializerDeviation = 0.02
        (expected.beginningOfText, expected.endOfText) = (nil, [])
        #expect(back.language?.configuration == expected)
        Support.expectSame(model, back, configuration.family.rawValue)
      }
    }
  }

  @Test("Blocks of other programs come back as codes where they have codes, else as numbers")
  func foreignCodes() throws {
    let cases: [(QuantizationScheme, String?)] = [
      (Support.weights("int4", .group(32), .float16), "int4"),
      (Support.weights("int5", .group(32), .float16), "int5"),
      (Support.weights("int8", .channel, .float16), "int8"),
      (Support.weights("mxfp4"), "e2m1"), (Support.weights("nvfp4"), "e2m1"),
      (Support.weights("int4", .channel, .float16, symmetric: false), nil),
    ]
    for (scheme, format) in cases {
      let model = try Support.model(scheme)
      try Self.foreign(model) { file in
        let back = try GGUFExporter().read(from: file)
        let path: ParameterPath = "model.layers.0.mlp.up_proj.weight"
        #expect(back.scheme == nil && back.codes(at: path)?.format.name == format)
        for path in model.parameters.paths {
          expectSameBits(back.parameters[path], model.parameters[path], "\(path)")
        }
        // And once more, from the blocks that were read.
        let (again, _) = try Support.roundTrip(back)
        Support.expectSame(back, again, scheme.summary)
      }
    }
  }

  @Test("A negative scale, as other quantizers of Q4_0 write, turns its codes")
  func negativeScales() throws {
    try Support.withFile { url in
      var writer = GGUFWriter()
      writer.add("blk.0.attn_v.weight", [2, 32], .q40) { file in
        try file.write([0, 0xb8] + [UInt8](repeating: 0xf0, count: 16))  // −0.5 · (−8 and 7)
        try file.write([0, 0] + [UInt8](repeating: 0x21, count: 16))  // nothing but zeros
      }
      try writer.write(to: url) { _, _ in }
      let file = try GGUFFile(contentsOf: url)
      let reader = GGUFTensorReader(file, GGUFNames(configuration: Support.configuration()))
      let path: ParameterPath = "model.layers.0.self_attn.v_proj.weight"
      let foreign = try #require(GGUFForeignCodes(reader, path, [2, 32], file.entries[0], .q40))
      let codes = try #require(try foreign.codes())
      #expect(codes.format.name == "int5" && codes.scales.scales.elements == [0.5, 1])
      expectClose(codes.tensor.elements, try reader.values(of: path, [2, 32]).elements)
      #expect(codes.tensor.elements.max() == 4 && codes.tensor.elements.min() == -3.5)
    }
  }
}
