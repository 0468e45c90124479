import Foundation
import GyroDatasets
import GyroText
import TestSupport
import Testing

@Suite("Text files and token streams")
struct TextTests {
  // MARK: Files

  @Test("Patterns name files in order, each once; hidden files and folders are left out")
  func patterns() throws {
    try inTemporaryFolder { folder in
      let manager = FileManager.default
      for name in ["b.txt", "a.txt", "a10.txt", ".hidden.txt", "c.md", "x*y.txt", "sub/d.txt"] {
        let url = folder.appendingPathComponent(name)
        try manager.createDirectory(
          at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data().write(to: url)
      }
      try manager.createDirectory(
        at: folder.appendingPathComponent("folder.txt"), withIntermediateDirectories: true)
      func names(_ patterns: String...) throws -> [String] {
        try TextFiles.resolve(patterns, relativeTo: folder)
          .map { String($0.path.dropFirst(folder.path.count + 1)) }
      }
      #expect(try names("*.txt") == ["a.txt", "a10.txt", "b.txt", "x*y.txt"])
      #expect(try names("?.txt") == ["a.txt", "b.txt"])
      #expect(try names("b.txt", "*.txt") == ["b.txt", "a.txt", "a10.txt", "x*y.txt"])
      #expect(try names("s*/?.*") == ["sub/d.txt"])
      #expect(try names("x*y.txt") == ["x*y.txt"])
      #expect(try names(".h*") == [".hidden.txt"])
      #expect(try names(folder.path + "/c.*") == ["c.md"])
      #expect(
        throws: DatasetError.unmatchedPattern(
          pattern: "d.txt", folder: folder.path, nearest: ["a.txt", "a10.txt", "b.txt"])
      ) { try names("d.txt") }
      #expect(
        throws: DatasetError.unmatchedPattern(
          pattern: "sub/*.md", folder: folder.path + "/sub", nearest: ["d.txt"])
      ) { try names("sub/*.md") }
      #expect(throws: DatasetError.self) { try names("none/*.txt") }
      #expect(throws: DatasetError.self) { try names("sub") }
    }
  }

  @Test("The exact words for a pattern that matches nothing")
  func words() {
    let error = DatasetError.unmatchedPattern(
      pattern: "boks/*", folder: "/data", nearest: ["books"])
    #expect(
      error.description
        == "Expected 'boks/*' to match a file, but it matches none in /data; nearest: books. "
        + "* stands for any characters and ? for one, within one folder.")
    #expect(
      DatasetError.textTooShort(tokens: 5, needed: 9).description
        == "Expected at least 9 tokens for one window, found 5. Use more text or a shorter window.")
  }

  @Test("Text must be UTF-8; the place of the first other byte is named")
  func encoding() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("t")
      func text(_ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: url)
        return try TextFiles.read(url)
      }
      let umlaut = try text(Array("grün\n".utf8))
      let marked = try text([0xEF, 0xBB, 0xBF, 0x61])
      #expect(umlaut == "grün\n")
      #expect(marked == "a")
      #expect(try text([]).isEmpty)
      for (bytes, place) in [
        ([0x61, 0xFF], 1), ([0xC3, 0xA4, 0xC3], 2), ([0xED, 0xA0, 0x80], 0), ([0xC0, 0x80], 0),
      ] as [([UInt8], Int)] {
        #expect(throws: DatasetError.invalidUTF8(path: url.path, byte: place)) { try text(bytes) }
      }
      #expect(throws: DatasetError.unreadableFile(path: folder.path, reason: "Is a directory")) {
        try TextFiles.read(folder)
      }
      let missing = folder.appendingPathComponent("none")
      #expect(
        throws: DatasetError.unreadableFile(
          path: missing.path, reason: "No such file or directory")
      ) { try TextFiles.read(missing) }
    }
  }

  @Test("A stream of files is their ids in order, with separators between")
  func filesToTokens() throws {
    try inTemporaryFolder { folder in
      let texts = ["one two", "three"]
      let urls = texts.indices.map { folder.appendingPathComponent("\($0)") }
      for (text, url) in zip(texts, urls) { try Data(text.utf8).write(to: url) }
      let tokenizer = try ByteLevelBPETrainer(vocabularySize: 300).train(on: texts)
      let stream = try TokenStream(files: urls, tokenizer: tokenizer, separator: 7)
      let ids = texts.map { tokenizer.encode($0, addSpecialTokens: false) }
      #expect(stream.tokens == ids[0] + [7] + ids[1])
    }
  }

  // MARK: Windows

  private func stream(_ count: Int) -> TokenStream {
    TokenStream(tokens: (0..<count).map { Int32($0) })
  }

  private func starts(_ batch: TokenBatch) -> [Int32] {
    stride(from: 0, to: batch.inputs.count, by: batch.length).map { batch.inputs[$0] }
  }

  @Test("Every window is inputs and the same row moved on by one")
  func shifted() throws {
    for batch in try stream(100).batches(size: 3, length: 7, seed: 1).prefix(20) {
      #expect(batch.batch == 3 && batch.length == 7)
      for row in 0..<3 {
        let first = batch.inputs[row * 7]
        #expect(Array(batch.inputs[row * 7..<row * 7 + 7]) == (first..<first + 7).map { $0 })
        #expect(Array(batch.targets[row * 7..<row * 7 + 7]) == (first + 1..<first + 8).map { $0 })
      }
    }
  }

  @Test("Each epoch visits every window once, in another order, even across batches")
  func epochs() throws {
    let batches = try stream(101).batches(size: 4, length: 10, seed: 5)
    #expect(batches.windowCount == 10)
    #expect(batches.batchesPerEpoch == 3)
    let visited = batches.prefix(5).flatMap(starts)
    let windows = (0..<10).map { Int32($0 * 10) }
    #expect(visited[0..<10].sorted() == windows)
    #expect(visited[10..<20].sorted() == windows)
    #expect(Array(visited[0..<10]) != Array(visited[10..<20]))
    #expect(Array(visited[0..<10]) != windows)
  }

  @Test("A batch follows from seed and number alone, whatever was asked for before")
  func stateless() throws {
    let walked = Array(try stream(500).batches(size: 4, length: 10, seed: 5).prefix(60))
    let fresh = try stream(500).batches(size: 4, length: 10, seed: 5)
    for index in [59, 0, 13, 12, 37, 14] { #expect(fresh[index] == walked[index]) }
    let other = try stream(500).batches(size: 4, length: 10, seed: 6)
    #expect(other[0] != walked[0])
  }

  @Test("What is left after the last whole window is dropped, or kept as asked")
  func remainders() throws {
    let dropped = try stream(35).batches(size: 3, length: 10, seed: 1)
    #expect(starts(dropped[0]).sorted() == [0, 10, 20])
    let kept = try stream(35).batches(size: 4, length: 10, seed: 1, remainder: .kept)
    #expect(starts(kept[0]).sorted() == [0, 10, 20, 24])
    let exact = try stream(31).batches(size: 3, length: 10, seed: 1, remainder: .kept)
    #expect(exact.windowCount == 3)
  }

  @Test("Sequential windows predict every token once, in order")
  func sequential() throws {
    let kept = try stream(35).sequentialBatches(size: 2, length: 10)
    #expect(kept.map(\.batch) == [2, 1, 1])
    #expect(kept.map(\.length) == [10, 10, 4])
    #expect(kept.flatMap(\.targets) == (1..<35).map { $0 })
    #expect(kept.targetCount == 34)
    let dropped = try stream(35).sequentialBatches(size: 2, length: 10, remainder: .dropped)
    #expect(dropped.flatMap(\.targets) == (1..<31).map { $0 })
    #expect(dropped.targetCount == 30)
    let short = try stream(5).sequentialBatches(size: 2, length: 10)
    #expect(short.map(\.length) == [4])
  }

  @Test("A text shorter than one window is an error with both numbers")
  func tooShort() throws {
    _ = try stream(11).batches(size: 1, length: 10, seed: 0)
    #expect(throws: DatasetError.textTooShort(tokens: 10, needed: 11)) {
      try stream(10).batches(size: 1, length: 10, seed: 0)
    }
    #expect(throws: DatasetError.textTooShort(tokens: 10, needed: 11)) {
      try stream(10).sequentialBatches(size: 1, length: 10, remainder: .dropped)
    }
    #expect(throws: DatasetError.textTooShort(tokens: 1, needed: 2)) {
      try stream(1).sequentialBatches(size: 1, length: 10)
    }
  }

  @Test("Ids outside the vocabulary are named")
  func vocabulary() throws {
    try stream(10).check(vocabularySize: 10)
    try stream(0).check(vocabularySize: 1)
    #expect(throws: DatasetError.identifierOutOfRange(identifier: 9, vocabularySize: 9)) {
      try stream(10).check(vocabularySize: 9)
    }
    #expect(throws: DatasetError.identifierOutOfRange(identifier: -1, vocabularySize: 9)) {
      try TokenStream(tokens: [3, -1]).check(vocabularySize: 9)
    }
  }
}
