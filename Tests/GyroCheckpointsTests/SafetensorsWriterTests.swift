import Foundation
import GyroCheckpoints
import GyroTensors
import TestSupport
import Testing

@Suite("Safetensors writer")
struct SafetensorsWriterTests {
  @Test("What is written is read back: every type, views, metadata, strange names")
  func roundTrip() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      var random = RandomStream(seed: 3)
      let tensor = random.normal([5, 7])
      let whole = Tensor([4], elements: [0, 1, 1, 0])
      var writer = SafetensorsWriter(metadata: ["format": "pt", "b\"\\\u{1}": "ä\n"])
      for type in ScalarType.allCases {
        writer.add(type.rawValue, type.isFloatingPoint ? tensor : whole, as: type)
      }
      writer.add("view.\u{1F600}\t", tensor.transposed())
      writer.add("codes", shape: [2], type: .int64, integers: [.min, .max])
      writer.add("raw", shape: [3], type: .uint8, bytes: [9, 8, 7])
      writer.add("empty", Tensor([0, 4], elements: []))
      try writer.write(to: url)

      let file = try SafetensorsFile(contentsOf: url)
      #expect(file.metadata == writer.metadata)
      #expect(Set(file.names) == Set(writer.names))
      #expect(try file.tensor("F32").elements == tensor.elements)
      #expect(try file.tensor("F64").elements == tensor.elements)
      #expect(try file.tensor("view.\u{1F600}\t").elements == tensor.transposed().elements)
      #expect(try file.tensor("view.\u{1F600}\t").shape == [7, 5])
      for type in ScalarType.allCases where !type.isFloatingPoint {
        #expect(try file.tensor(type.rawValue).elements == whole.elements)
        #expect(try file.integers(type.rawValue) == [0, 1, 1, 0])
      }
      #expect(try file.integers("codes") == [.min, .max])
      #expect(try file.bytes("raw") == [9, 8, 7])
      #expect(try file.tensor("empty").shape == [0, 4])
      for entry in file.entries {
        #expect(entry.byteRange.lowerBound % entry.type.byteCount == 0, "\(entry.name) is aligned")
      }
      let length = try Data(contentsOf: url).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      #expect(length % 8 == 0)
    }
  }

  @Test("Rounded values survive a second trip bit for bit")
  func stable() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      var random = RandomStream(seed: 4)
      var values = random.normal([1_100_003])  // more than one piece
      for type in ScalarType.allCases where type.isFloatingPoint && type != .float8E8M0 {
        var trips: [[UInt8]] = []
        for _ in 0..<2 {
          var writer = SafetensorsWriter()
          writer.add("w", values, as: type)
          try writer.write(to: url)
          let file = try SafetensorsFile(contentsOf: url)
          trips.append(try file.bytes("w"))
          values = try file.tensor("w")
        }
        #expect(trips[0] == trips[1], "\(type)")
      }
    }
  }

  @Test("The same additions give the same bytes, laid out as the format says")
  func layout() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      var writer = SafetensorsWriter()
      writer.add("b", shape: [1], type: .uint8, bytes: [5])
      writer.add("a", Tensor([1], elements: [1]))
      try writer.write(to: url)
      let header =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        + "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[4,5]}}"
      let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
      let expected =
        withUnsafeBytes(of: UInt64(padded.utf8.count).littleEndian, Array.init) + padded.utf8
        + [0, 0, 0x80, 0x3F, 5]
      #expect(try [UInt8](Data(contentsOf: url)) == expected)
    }
  }

  @Test("A name twice, a reserved name or a value out of range is refused; the old file stays")
  func refusals() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      try Data("old".utf8).write(to: url)
      let one = Tensor([1], elements: [300])
      var twice = SafetensorsWriter()
      twice.add("w", one)
      twice.add("w", one)
      #expect(throws: CheckpointError.duplicateName(file: url.path, name: "w")) {
        try twice.write(to: url)
      }
      var reserved = SafetensorsWriter()
      reserved.add("__metadata__", one)
      #expect(throws: CheckpointError.duplicateName(file: url.path, name: "__metadata__")) {
        try reserved.write(to: url)
      }
      var large = SafetensorsWriter()
      large.add("w", one, as: .uint8)
      #expect(
        throws: CheckpointError.unrepresentableValue(tensor: "w", type: "U8", value: "300.0")
      ) { try large.write(to: url) }
      var failing = SafetensorsWriter()
      struct Stop: Error {}
      failing.add("w", shape: [1]) { throw Stop() }
      #expect(throws: Stop.self) { try failing.write(to: url) }
      #expect(try String(contentsOf: url, encoding: .utf8) == "old")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["x.safetensors"])
    }
  }

  @Test("Shards and index hold what one file would")
  func shards() throws {
    try inTemporaryFolder { folder in
      var random = RandomStream(seed: 5)
      var writer = SafetensorsWriter()
      var tensors: [String: Tensor] = [:]
      for index in 0..<5 {
        tensors["layer.\(index)"] = random.normal([10])
        writer.add("layer.\(index)", tensors["layer.\(index)"]!)
      }
      let files = try writer.write(toDirectory: folder, maximumShardBytes: 90)
      #expect(
        files.map(\.lastPathComponent) == [
          "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
          "model-00003-of-00003.safetensors", "model.safetensors.index.json",
        ])
      let directory = try SafetensorsDirectory(contentsOf: folder)
      #expect(directory.names == tensors.keys.sorted())
      for (name, tensor) in tensors {
        #expect(try directory.tensor(name).elements == tensor.elements)
      }
      let index = try SafetensorsIndex(contentsOf: files[3])
      #expect(index.totalByteCount == 200)
      #expect(index.files["layer.4"] == "model-00003-of-00003.safetensors")
    }
  }

  @Test("An index that leads nowhere, or out of its folder, is refused")
  func brokenIndexes() throws {
    try inTemporaryFolder { folder in
      var writer = SafetensorsWriter()
      writer.add("a", Tensor([1], elements: [1]))
      try writer.write(to: folder.appendingPathComponent("shard.safetensors"))
      let cases = [
        ("{\"weight_map\":{\"a\":\"none.safetensors\"}}", "No such file"),
        ("{\"weight_map\":{\"b\":\"shard.safetensors\"}}", "expected a tensor 'b'"),
        ("{\"weight_map\":{\"a\":\"../shard.safetensors\"}}", "a file in the same folder"),
        ("{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "a file in the same folder"),
        ("{\"weight_map\":{\"a\":\"..\"}}", "a file in the same folder"),
        ("{\"weight_map\":{\"a\":\"\"}}", "a file in the same folder"),
        ("{\"weight_map\":{\"a\":\"x\\u0000y\"}}", "a file in the same folder"),
        ("{\"weight_map\":{\"a\":1}}", "a file name"),
        ("{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}", "'a' twice"),
        ("{\"metadata\":{\"total_size\":-1}}", "a whole number"),
        ("{\"metadata\":{}}", "the key weight_map"),
        ("{\"other\":" + String(repeating: "[", count: 99999), "64 nested values"),
        ("", "an object"),
      ]
      for (text, expected) in cases {
        try Data(text.utf8).write(to: folder.appendingPathComponent(SafetensorsIndex.fileName))
        do {
          _ = try SafetensorsDirectory(contentsOf: folder)
          Issue.record("accepted \(text.prefix(60))")
        } catch {
          #expect("\(error)".contains(expected), "\(error)")
        }
      }
      let good =
        "{\"metadata\":{\"total_size\":4,\"more\":[1,{\"x\":null}]},"
        + "\"weight_map\":{\"a\":\"shard.safetensors\"}}"
      try Data(good.utf8).write(to: folder.appendingPathComponent(SafetensorsIndex.fileName))
      #expect(try SafetensorsDirectory(contentsOf: folder).tensor("a").item == 1)
    }
  }

  @Test("A folder without a checkpoint says what it holds instead")
  func noCheckpoint() throws {
    try inTemporaryFolder { folder in
      try Data().write(to: folder.appendingPathComponent("pytorch_model.bin"))
      #expect(
        throws: CheckpointError.noCheckpoint(directory: folder.path, found: ["pytorch_model.bin"])
      ) { try SafetensorsDirectory(contentsOf: folder) }
      let missing = folder.appendingPathComponent("none")
      #expect(
        throws: CheckpointError.unreadableFile(
          file: missing.path, reason: "there is no such folder")
      ) { try SafetensorsDirectory(contentsOf: missing) }
    }
  }
}
