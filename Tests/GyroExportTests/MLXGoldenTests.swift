import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

/// Folders of another program: the bytes that MLX's own quantizer makes, as an embedding table.
@Suite("MLX's own quantizer (Goldens/mlx.json, made by Goldens/generate_mlx.py)")
struct MLXGoldenTests {
  struct Golden: Decodable {
    struct Kind: Decodable {
      let mode: String
      let bits, group_size: Int
      let weight_shape: [Int]
      let weight_hex, scales_hex: String
      let biases_hex: String?
      let dequantized: [Float]
    }
    let shape: [Int]
    let weight: [Float]
    let kinds: [Kind]

    static func load() throws -> Golden {
      let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Goldens/mlx.json")
      return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }
  }

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
    }
  }

  private static let table = ParameterPath("model.embed_tokens.weight")

  /// A small Llama whose table `[4, 128]` is the golden's, all else plain.
  private func folder(_ kind: Golden.Kind) throws -> TemporaryFolder {
    var configuration = LlamaConfiguration(
      vocabulary: 4, hidden: 128, feedForward: 32, layers: 1, heads: 2, context: 16)
    configuration.tiedEmbeddings = true
    let (_, parameters) = Llama.initialized(configuration, seed: 1)
    var writer = SafetensorsWriter(metadata: ["format": "mlx"])
    for path in parameters.paths where path != Self.table {
      writer.add(path.name, parameters[path])
    }
    let module = "model.embed_tokens"
    writer.add(
      module + ".weight", shape: Shape(kind.weight_shape), type: .uint32,
      bytes: Self.bytes(kind.weight_hex))
    let isAffine = kind.biases_hex != nil
    let scales: Shape = [4, 128 / kind.group_size]
    writer.add(
      module + ".scales", shape: scales, type: isAffine ? .float32 : .uint8,
      bytes: Self.bytes(kind.scales_hex))
    if let biases = kind.biases_hex {
      writer.add(module + ".biases", shape: scales, type: .float32, bytes: Self.bytes(biases))
    }
    let folder = try TemporaryFolder()
    try writer.write(toDirectory: folder.url)
    var object =
      try JSONSerialization.jsonObject(with: configuration.json) as? [String: Any] ?? [:]
    object["quantization"] = [
      "group_size": kind.group_size, "bits": kind.bits, "mode": kind.mode,
    ]
    try JSONSerialization.data(withJSONObject: object)
      .write(to: folder.url.appendingPathComponent("config.json"))
    return folder
  }

  @Test("its files are read as the numbers it computes")
  func reading() throws {
    for kind in try Golden.load().kinds {
      let folder = try folder(kind)
      #expect(MLXExporter().recognizes(folder.url))
      let model = try MLXExporter().read(from: folder.url)
      expectClose(
        model.parameters[Self.table].elements, kind.dequantized, relative: 1e-6, absolute: 1e-9,
        "\(kind.mode) \(kind.bits) bits, groups of \(kind.group_size)")
    }
  }

  @Test("codes that were read are written again with the same bytes")
  func rewriting() throws {
    var count = 0
    for kind in try Golden.load().kinds where kind.mode.hasPrefix("mxfp") {
      let theirs = try self.folder(kind)
      let model = try MLXExporter().read(from: theirs.url)
      let folder = try TemporaryFolder()
      _ = try MLXExporter().write(model, to: folder.url, ExportOptions())
      let files = try SafetensorsDirectory(contentsOf: folder.url)
      expectSame(try files.bytes(Self.table.name), Self.bytes(kind.weight_hex))
      expectSame(try files.bytes("model.embed_tokens.scales"), Self.bytes(kind.scales_hex))
      count += 1
    }
    #expect(count == 2)
  }

  @Test("shapes and types that contradict one another are refused with the tensor's name")
  func damaged() throws {
    let kind = try #require(try Golden.load().kinds.first { $0.bits == 4 })
    let good = try folder(kind)
    let files = try SafetensorsDirectory(contentsOf: good.url)
    let module = "model.embed_tokens"
    func complaint(
      _ name: String, _ shape: Shape, _ type: ScalarType, config: [String: Any]? = nil
    ) throws -> String {
      let folder = try folder(kind)
      var writer = SafetensorsWriter(metadata: ["format": "mlx"])
      for other in files.names where other != module + name {
        let entry = try files.entry(other)
        writer.add(other, shape: entry.shape, type: entry.type, bytes: try files.bytes(other))
      }
      writer.add(
        module + name, shape: shape, type: type,
        bytes: [UInt8](repeating: 0, count: shape.count * type.byteCount))
      try writer.write(toDirectory: folder.url)
      if let config {
        let url = folder.url.appendingPathComponent("config.json")
        var object =
          try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
        object["quantization"] = config
        try JSONSerialization.data(withJSONObject: object).write(to: url)
      }
      do {
        _ = try MLXExporter().read(from: folder.url)
        return "no error"
      } catch { return "\(error)" }
    }
    #expect(try complaint(".weight", [4, 15], .uint32).contains("U32 words for [4, 128]"))
    #expect(try complaint(".weight", [3, 16], .uint32).contains("U32 words for [4, 128]"))
    #expect(try complaint(".weight", [4, 16], .int32).contains("U32 words for [4, 128]"))
    #expect(try complaint(".weight", [4, 0], .uint32).contains("0 bits in groups"))
    #expect(try complaint(".scales", [4, 5], .float32).contains("scales for rows of 128"))
    #expect(try complaint(".scales", [4, 4], .uint8).contains("float scales"))
    #expect(
      try complaint(".biases", [4, 2], .float32).contains("shape [4, 4], found shape [4, 2]"))
    #expect(
      try complaint(".biases", [4, 4], .float32, config: ["group_size": 32, "mode": "nvfp8"])
        .contains("the mode 'nvfp8' of model.embed_tokens is not supported"))
    #expect(
      try complaint(".biases", [4, 4], .float32, config: ["group_size": 32, "mode": "mxfp4"])
        .contains("U8 scales"))
  }
}
