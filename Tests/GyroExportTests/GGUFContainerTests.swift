import Foundation
import GyroCheckpoints
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("The GGUF container")
struct GGUFContainerTests {
  private struct Stop: Error {}

  /// A file with a value of every kind and two tensors.
  private static func writer() -> GGUFWriter {
    var writer = GGUFWriter()
    writer.metadata.add("general.architecture", .text("llama"))
    for kind: GGUFKind in [.uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64] {
      writer.metadata.add("integer.\(kind)", .number(kind, bits: 7))
    }
    writer.metadata.add("float", .float32(1.5))
    writer.metadata.add("double", .number(.float64, bits: (2.5).bitPattern))
    writer.metadata.add("flag", .bool(true))
    writer.metadata.add("numbers", .int32s([3, -4]))
    writer.metadata.add("words", .strings([[0x61], [], [0xff, 0x00]]))
    writer.add("first", [2, 3], .f32) { file in
      try file.write((0..<6).flatMap { littleEndian(Float($0).bitPattern) })
    }
    writer.add("second", [1, 32], .q80) { file in
      try file.write([0, 0x3c] + (0..<32).map { UInt8($0) })
    }
    return writer
  }

  private static func bytes() throws -> [UInt8] {
    try GGUFSupport.withFile { file in
      try writer().write(to: file) { _, _ in }
      return [UInt8](try Data(contentsOf: file))
    }
  }

  private static func opened(_ bytes: [UInt8]) throws -> GGUFFile {
    try GGUFSupport.withFile { file in
      try Data(bytes).write(to: file)
      return try GGUFFile(contentsOf: file)
    }
  }

  @Test("What is written is read: values of every kind, tensors at aligned places")
  func contents() throws {
    try GGUFSupport.withFile { url in
      try Self.writer().write(to: url) { _, _ in }
      let file = try GGUFFile(contentsOf: url)
      let metadata = file.metadata
      #expect(metadata.entries.map(\.key) == Self.writer().metadata.entries.map(\.key))
      for (key, value) in Self.writer().metadata.entries { #expect(metadata[key] == value) }
      #expect(metadata["integer.int64"]?.integer == 7 && metadata["float"]?.float == 1.5)
      #expect(metadata["double"]?.float == 2.5 && metadata["flag"]?.flag == true)
      #expect(metadata["numbers"]?.integers == [3, -4])
      #expect(file.entries.map(\.name) == ["first", "second"])
      #expect(file.entries.map(\.extents) == [[2, 3], [1, 32]])
      #expect(file.entries.allSatisfy { $0.offset % 32 == 0 })
      var row = [UInt8](repeating: 0, count: 12)
      try row.withUnsafeMutableBytes { try file.read(file.entries[0], fromRow: 1, into: $0) }
      #expect(GGUFValue.numbers(.float32, row).floats == [3, 4, 5])
    }
  }

  @Test("A file cut anywhere is an error that names the place, never a trap")
  func truncation() throws {
    let bytes = try Self.bytes()
    let end = bytes.count - 30  // what is missing from here on is padding
    for length in 0..<end {
      #expect(throws: ExportError.self) { try Self.opened(Array(bytes[..<length])) }
    }
    #expect(throws: Never.self) { try Self.opened(bytes) }
  }

  @Test("Counts and lengths beyond the file are refused before memory is taken")
  func counts() throws {
    let bytes = try Self.bytes()
    for start in [8, 16, 24] {  // tensors, values, the first key's length
      for count: UInt64 in [.max, 1 << 62, 1 << 40, 1 << 20] {
        var hostile = bytes
        hostile.replaceSubrange(start..<start + 8, with: littleEndian(count))
        let error = #expect(throws: ExportError.self) { try Self.opened(hostile) }
        guard case .malformed = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
      }
    }
  }

  @Test("Any one byte may be wrong without a trap")
  func damage() throws {
    let bytes = try Self.bytes()
    try GGUFSupport.withFile { url in
      for place in bytes.indices {
        for value: UInt8 in [0x7f, 0xff] where bytes[place] != value {
          var damaged = bytes
          damaged[place] = value
          try Data(damaged).write(to: url)
          _ = try? GGUFFile(contentsOf: url)
        }
      }
    }
  }

  private static func head(
    version: UInt32 = 3, values: [(String, [UInt8])] = [],
    tensors: [(String, [UInt64], UInt32, UInt64)] = [], data: Int = 0
  ) -> [UInt8] {
    var bytes = GGUFFile.magic + littleEndian(version)
    bytes += littleEndian(UInt64(tensors.count)) + littleEndian(UInt64(values.count))
    for (key, value) in values { bytes += GGUFValue.counted(Array(key.utf8)) + value }
    for (name, extents, type, offset) in tensors {
      bytes += GGUFValue.counted(Array(name.utf8)) + littleEndian(UInt32(extents.count))
      bytes += extents.flatMap { littleEndian($0) } + littleEndian(type) + littleEndian(offset)
    }
    bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    return bytes + [UInt8](repeating: 0, count: data)
  }

  @Test("Heads that contradict themselves or the file are refused")
  func contradictions() throws {
    let value = GGUFValue.bool(true).bytes
    let array = littleEndian(UInt32(9))
    let hostile: [(String, [UInt8])] = [
      ("version", Self.head(version: 1)), ("byte order", Self.head(version: 0x0300_0000)),
      ("key twice", Self.head(values: [("a", value), ("a", value)])),
      ("type of value", Self.head(values: [("a", littleEndian(UInt32(13)) + [0])])),
      ("array of arrays", Self.head(values: [("a", array + array + littleEndian(UInt64(1)))])),
      (
        "array beyond the file",
        Self.head(values: [("a", array + littleEndian(UInt32(4)) + littleEndian(UInt64(1 << 61)))])
      ),
      ("alignment of 0", Self.head(values: [("general.alignment", GGUFValue.uint32(0).bytes)])),
      ("alignment of 3", Self.head(values: [("general.alignment", GGUFValue.uint32(3).bytes)])),
      ("name twice", Self.head(tensors: [("t", [8], 0, 0), ("t", [8], 0, 32)], data: 64)),
      ("same bytes", Self.head(tensors: [("t", [8], 0, 0), ("u", [8], 0, 0)], data: 64)),
      ("overflow", Self.head(tensors: [("t", [1 << 33, 1 << 33], 0, 0)], data: 64)),
      ("bytes overflow", Self.head(tensors: [("t", [1 << 31, 1 << 31], 0, 0)], data: 64)),
      ("extent of 0", Self.head(tensors: [("t", [0], 0, 0)], data: 64)),
      ("five axes", Self.head(tensors: [("t", [1, 1, 1, 1, 1], 0, 0)], data: 64)),
      ("half a block", Self.head(tensors: [("t", [16], 8, 0)], data: 64)),
      ("beyond the data", Self.head(tensors: [("t", [8], 0, 64)], data: 64)),
      ("far beyond the data", Self.head(tensors: [("t", [8], 0, .max)], data: 64)),
      ("not aligned", Self.head(tensors: [("t", [8], 0, 4)], data: 64)),
    ]
    for (name, bytes) in hostile {
      #expect(throws: ExportError.self, "\(name)") { try Self.opened(bytes) }
    }
    let unknown = try Self.opened(Self.head(tensors: [("t", [8], 99, 0)], data: 64))
    #expect(unknown.entries[0].type == nil && unknown.entries[0].byteCount == 0)
  }

  @Test("A write that fails half way leaves what was there before, and nothing else")
  func interruption() throws {
    try GGUFSupport.withFile { file in
      try Data([1, 2, 3]).write(to: file)
      var writer = Self.writer()
      writer.add("third", [4], .f32) { _ in throw Stop() }
      #expect(throws: Stop.self) { try writer.write(to: file) { _, _ in } }
      #expect(try Data(contentsOf: file) == Data([1, 2, 3]))
      let folder = file.deletingLastPathComponent()
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["model.gguf"])
    }
  }

  @Test("A file is recognized by its first bytes")
  func recognition() throws {
    try GGUFSupport.withFile { file in
      #expect(!GGUFExporter().recognizes(file))
      try Data(try Self.bytes()).write(to: file)
      #expect(GGUFExporter().recognizes(file))
      try Data("GGML".utf8).write(to: file)
      #expect(!GGUFExporter().recognizes(file))
      #expect(!GGUFExporter().recognizes(file.deletingLastPathComponent()))
    }
  }
}
