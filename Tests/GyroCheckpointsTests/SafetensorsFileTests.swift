import Foundation
import GyroCheckpoints
import GyroTensors
import TestSupport
import Testing

/// A file made byte by byte: length, header text, data.
private func bytes(_ header: String, data: Int = 0, length: Int? = nil) -> [UInt8] {
  withUnsafeBytes(of: UInt64(length ?? header.utf8.count).littleEndian, Array.init)
    + Array(header.utf8) + (0..<data).map { UInt8(truncatingIfNeeded: $0) }
}

@Suite("Safetensors files")
struct SafetensorsFileTests {
  /// The error's text for a hostile file, without the path.
  private func complaint(_ content: [UInt8]) throws -> String {
    var text = "no error"
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      try Data(content).write(to: url)
      do {
        _ = try SafetensorsFile(contentsOf: url)
      } catch {
        text = "\(error)".replacingOccurrences(of: url.path, with: "x")
      }
    }
    return text
  }

  private func entry(
    _ dtype: String = "F32", _ shape: String = "[1]", _ offsets: String = "[0,4]"
  ) -> String {
    "{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }

  @Test("Types, shapes, metadata and values are read as they stand, in any order of names")
  func reading() throws {
    try inTemporaryFolder { folder in
      let header = """
        { "b":{"data_offsets":[8,12],"dtype":"I16","shape":[2,1]},
          "__metadata__":{"format":"pt","\\u00e9\\ud83d\\ude00":"\\n"},
          "a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},
          "empty":{"dtype":"F32","shape":[0,1000000],"data_offsets":[12,12]},
          "scalar":{"dtype":"U8","shape":[],"data_offsets":[12,13]} }  \n
        """
      var content = bytes(header)
      content += [0x80, 0x3F, 0, 0xC0, 0, 0, 0x80, 0x7F, 0xFE, 0xFF, 0x2C, 0x01, 200]
      let url = folder.appendingPathComponent("x.safetensors")
      try Data(content).write(to: url)
      let file = try SafetensorsFile(contentsOf: url)
      #expect(file.names == ["b", "a", "empty", "scalar"])
      #expect(file.metadata == ["format": "pt", "é😀": "\n"])
      #expect(try file.entry("a").type == .bfloat16)
      #expect(try file.entry("a").byteRange == 0..<8)
      let a = try file.tensor("a")
      #expect(a.shape == [2, 2])
      #expect(a.elements == [1, -2, 0, .infinity])
      #expect(try file.tensor("b").elements == [-2, 300])
      #expect(try file.integers("b") == [-2, 300])
      #expect(try file.bytes("b") == [0xFE, 0xFF, 0x2C, 0x01])
      #expect(try file.tensor("empty").count == 0)
      #expect(try file.tensor("scalar").item == 200)
      #expect(throws: CheckpointError.self) { try file.integers("a") }
      let missing = CheckpointError.missingTensor(
        file: url.path, tensor: "scala", nearest: ["scalar"])
      #expect(throws: missing) { try file.tensor("scala") }
    }
  }

  @Test("What is not there, or is no file, is named with a reason")
  func unreadable() throws {
    try inTemporaryFolder { folder in
      let missing = folder.appendingPathComponent("none")
      #expect(
        throws: CheckpointError.unreadableFile(
          file: missing.path, reason: "No such file or directory")
      ) { try SafetensorsFile(contentsOf: missing) }
      #expect(
        throws: CheckpointError.unreadableFile(file: folder.path, reason: "it is a folder")
      ) { try SafetensorsFile(contentsOf: folder) }
      let pipe = folder.appendingPathComponent("pipe")
      #expect(mkfifo(pipe.path, 0o600) == 0)
      #expect(
        throws: CheckpointError.unreadableFile(file: pipe.path, reason: "it is no regular file")
      ) { try SafetensorsFile(contentsOf: pipe) }
    }
  }

  @Test("The exact words of the commonest complaints")
  func words() throws {
    let advice = "The download may be incomplete, or a pointer to a file that was not downloaded."
    #expect(try complaint([1, 2]) == "x: expected at least 8 bytes, found 2. " + advice)
    #expect(
      try complaint(bytes("{}", length: 9))
        == "x: expected a header of 9 bytes, found 2 bytes to the end of the file. " + advice)
    let header = "{\"w\":\(entry("F32", "[2,3]", "[0,20]"))}"
    #expect(
      try complaint(bytes(header, data: 20))
        == "x, tensor 'w': expected 24 bytes for F32 [2, 3], found 20 between the data_offsets "
        + "[0, 20] (header byte \(header.utf8.count - 1)). The file is damaged; fetch or export it again."
    )
  }

  @Test("A header that is no header is refused")
  func brokenHeaders() throws {
    let cases: [(content: [UInt8], expected: String)] = [
      ([], "at least 8 bytes"),
      (bytes("", length: 0), "'{'"),
      (bytes("{}", length: 100_000_001), "at most 100000000 bytes"),
      ([UInt8](repeating: 0xFF, count: 16), "at most 100000000 bytes"),
      (bytes("{}", length: Int.max), "at most 100000000 bytes"),
      (Array("version https://git-lfs.github.com/spec/v1".utf8), "at most 100000000 bytes"),
      (bytes(" {}"), "'{'"),
      (bytes("[]"), "'{'"),
      (bytes("{"), "a key in quotes"),
      (bytes("{\"a"), "at the end of a string"),
      (bytes("{\"a\\"), "an escape of JSON"),
      (bytes("{\"a\\q\":1}"), "an escape of JSON"),
      (bytes("{\"\\ud800\":1}"), "a Unicode scalar"),
      (bytes("{\"\\ud800\\u0041\":1}"), "surrogate pair"),
      (bytes("{\"\\u12"), "four hexadecimal digits"),
      (bytes("{\"a\u{1}\":1}"), "at the end of a string"),
      (bytes("{\"a\" 1}"), "':' after a key"),
      (bytes("{} x"), "nothing after the JSON value"),
      (bytes("{}{}"), "nothing after the JSON value"),
      (bytes("{\"__metadata__\":{\"a\":1}}"), "a string as metadata 'a'"),
      (bytes("{\"__metadata__\":[]}"), "an object"),
      (bytes("{\"__metadata__\":{},}"), "a key in quotes"),
      (bytes("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}"), "'a' twice"),
      (bytes("{\"w\":\(entry()),\"w\":\(entry())}", data: 4), "'w' twice"),
      (bytes("{\"w\":\(entry()),\"\\u0077\":\(entry())}", data: 4), "'w' twice"),
    ]
    for (content, expected) in cases {
      let text = try complaint(content)
      #expect(text.contains(expected), "\(text)")
    }
    var notText = bytes("{\"a\":1}")
    notText[10] = 0xFF
    #expect(try complaint(notText).contains("expected UTF-8"))
    let deep = bytes("{\"w\":{\"x\":" + String(repeating: "[", count: 100_000))
    #expect(try complaint(deep).contains("only dtype, shape and data_offsets"))
  }

  @Test("An entry that contradicts the format or the file is refused, naming the tensor")
  func brokenEntries() throws {
    let cases: [(entry: String, data: Int, expected: String)] = [
      (entry("F31"), 4, "one of the types F64"),
      (entry("f32"), 4, "one of the types F64"),
      ("{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}", 4, "a string"),
      ("{\"dtype\":\"F32\",\"shape\":[1]}", 4, "dtype, shape and data_offsets"),
      ("{\"dtype\":\"F32\",\"dtype\":\"F32\"}", 4, "'dtype' twice"),
      ("[]", 4, "an object"),
      (entry("F32", "[-1]"), 4, "a whole number from 0"),
      (entry("F32", "[-0]"), 4, "a whole number from 0"),
      (entry("F32", "[1.0]"), 4, "a whole number from 0"),
      (entry("F32", "[1e0]"), 4, "a whole number from 0"),
      (entry("F32", "[01]"), 4, "leading zeros"),
      (entry("F32", "[9223372036854775808]"), 4, "a whole number from 0"),
      (entry("F32", "[null]"), 4, "a number"),
      (entry("F32", "1"), 4, "an array"),
      (entry("F32", "[4294967296,4294967296]"), 4, "whose size can be counted"),
      (entry("F32", "[0,4294967296,4294967296]", "[0,0]"), 0, "whose size can be counted"),
      (entry("F64", "[2305843009213693952]", "[0,0]"), 0, "whose size can be counted"),
      (entry("F32", "[2]"), 4, "8 bytes for F32 [2]"),
      (entry("F32", "[]", "[0,0]"), 0, "4 bytes for F32 []"),
      (entry("F32", "[1]", "[4,0]"), 4, "ends after it begins"),
      (entry("F32", "[1]", "[0]"), 4, "two data_offsets"),
      (entry("F32", "[1]", "[0,4,8]"), 4, "two data_offsets"),
      (entry("F32", "[1]", "[0,4]"), 3, "inside the file's 3 bytes"),
      (entry("F32", "[1]", "[9223372036854775803,9223372036854775807]"), 4, "begins at 0"),
      (entry("F32", "[1]", "[1,5]"), 5, "begins at 0"),
    ]
    for (entry, data, expected) in cases {
      let text = try complaint(bytes("{\"weight\":\(entry)}", data: data))
      #expect(text.contains(expected), "\(text)")
      if !text.contains("twice") { #expect(text.contains("tensor 'weight'"), "\(text)") }
    }
  }

  @Test("Holes, overlaps and trailing bytes are refused")
  func tiling() throws {
    func two(_ first: String, _ second: String, data: Int) throws -> String {
      let a = entry("F32", "[1]", first)
      let b = entry("F32", "[1]", second)
      return try complaint(bytes("{\"a\":\(a),\"b\":\(b)}", data: data))
    }
    #expect(try two("[0,4]", "[4,8]", data: 8) == "no error")
    #expect(try two("[4,8]", "[0,4]", data: 8) == "no error")
    #expect(
      try two("[0,4]", "[5,9]", data: 9).contains("tensor 'b': expected data that begins at 4"))
    #expect(
      try two("[0,4]", "[3,7]", data: 7).contains("tensor 'b': expected data that begins at 4"))
    #expect(try two("[0,4]", "[0,4]", data: 4).contains("begins at 4"))
    #expect(try two("[0,4]", "[4,8]", data: 9).contains("expected 8 bytes of data"))
    #expect(try complaint(bytes("{}", data: 1)).contains("expected 0 bytes of data"))
    #expect(try complaint(bytes("{}")) == "no error")
  }

  @Test("Any prefix of a file, and any file with one byte changed, is read or refused, never worse")
  func mutations() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      let first = entry("I8", "[2,2]", "[0,4]")
      let second = entry("U8", "[1]", "[4,5]")
      let whole = bytes("{\"w\":\(first),\"é\":\(second)}", data: 5)
      func attempt(_ content: [UInt8]) throws {
        try Data(content).write(to: url)
        guard let file = try? SafetensorsFile(contentsOf: url) else { return }
        for name in file.names { _ = try? file.tensor(name) }
      }
      for length in 0..<whole.count { try attempt(Array(whole.prefix(length))) }
      for place in whole.indices {
        for value in [0, 0x22, 0x2D, 0x39, 0x5B, 0x7D, 0xFF] as [UInt8] {
          var changed = whole
          changed[place] = value
          try attempt(changed)
        }
      }
    }
  }

  @Test("A file cut or written to while open is an error, not a crash")
  func changedWhileOpen() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      for cut in [true, false] {
        try Data(bytes("{\"w\":\(entry())}", data: 4)).write(to: url)
        let file = try SafetensorsFile(contentsOf: url)
        let handle = try FileHandle(forWritingTo: url)
        if cut {
          try handle.truncate(atOffset: 60)
        } else {
          try handle.seekToEnd()
          try handle.write(contentsOf: [1])
        }
        try handle.close()
        #expect(throws: CheckpointError.changedFile(file: url.path)) { try file.tensor("w") }
        #expect(throws: CheckpointError.changedFile(file: url.path)) { try file.bytes("w") }
      }
    }
  }

  @Test("A file replaced while open is still read as it was")
  func replacedWhileOpen() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.safetensors")
      try Data(bytes("{\"w\":\(entry("U8", "[1]", "[0,1]"))}", data: 1)).write(to: url)
      let file = try SafetensorsFile(contentsOf: url)
      var writer = SafetensorsWriter()
      writer.add("w", Tensor([1], elements: [7]))
      try writer.write(to: url)
      #expect(try file.tensor("w").elements == [0])
      #expect(try SafetensorsFile(contentsOf: url).tensor("w").elements == [7])
    }
  }
}
