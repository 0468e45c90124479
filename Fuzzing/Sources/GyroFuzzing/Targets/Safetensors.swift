import Foundation
import GyroCheckpoints
import GyroTensors

extension FuzzTarget {
  /// One safetensors file: header, tiling, every tensor in every way it can be read.
  static let safetensors = FuzzTarget(
    name: "safetensors", shape: .safetensors,
    seeds: {
      var small = SafetensorsWriter(metadata: ["format": "pt"])
      small.add("a", Tensor([2, 3], elements: [1, -2, 3.5, 0, 1e-3, 70000]), as: .float16)
      small.add("b.weight", Tensor([3], elements: [1, 2, 3]), as: .bfloat16)
      small.add("c", shape: [2, 0], type: .int64, bytes: [])
      small.add("d", Tensor([4], elements: [0, 1, 0, 1]), as: .bool)
      var wide = SafetensorsWriter()
      for type in ScalarType.allCases {
        wide.add("t.\(type.rawValue)", Tensor([1, 2], elements: [1, 1]), as: type)
      }
      return try [("small", bytes(of: small)), ("types", bytes(of: wide))]
    },
    read: { bytes, folder in
      let file = try SafetensorsFile(contentsOf: folder.write(bytes, to: "file.safetensors"))
      for entry in file.entries {
        _ = try? file.tensor(entry.name).withElements { $0.pointee }
        _ = try file.bytes(entry.name)
        _ = try? file.integers(entry.name)
      }
      // The message names what looks like it.
      _ = try? file.entry("weight")
    })

  /// `model.safetensors.index.json`; what is taken is written as it was understood.
  static let safetensorsIndex = FuzzTarget(
    name: "safetensors-index", shape: .json,
    seeds: {
      let index = SafetensorsIndex(
        totalByteCount: 1024,
        files: [
          "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
          "lm_head.weight": "model-00002-of-00002.safetensors",
        ])
      return [("two", Array(index.json.utf8)), ("bare", Array(#"{"weight_map":{}}"#.utf8))]
    },
    read: { bytes, folder in
      let index = try SafetensorsIndex(contentsOf: folder.write(bytes, to: "index.json"))
      let again = try SafetensorsIndex(
        contentsOf: folder.write(index.json.utf8, to: "again.json"))
      precondition(again == index, "safetensors-index: written and read, it is another")
    })

  static func bytes(of writer: SafetensorsWriter) throws -> [UInt8] {
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("gyro-seed-\(UUID().uuidString).safetensors")
    defer { try? FileManager.default.removeItem(at: file) }
    try writer.write(to: file)
    return Array(try Data(contentsOf: file))
  }
}
