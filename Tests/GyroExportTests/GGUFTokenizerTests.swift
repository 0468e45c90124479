import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroText
import TestSupport
import Testing

@testable import GyroExport

@Suite("Tokenizers in GGUF")
struct GGUFTokenizerTests {
  /// Tokenizers of the text tests, whose ids are those of the `tokenizers` library; `changes` to the
  /// text of the file, which must apply.
  private static func tokenizer(
    _ name: String, _ changes: [(String, String)] = []
  ) throws -> (Tokenizer, texts: [String]) {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("GyroTextTests/Goldens/\(name)")
    struct Text: Decodable { let text: String }
    let file = folder.appendingPathComponent("expected.json")
    let texts = try JSONDecoder().decode([Text].self, from: Data(contentsOf: file))
    var json = String(
      decoding: try Data(contentsOf: folder.appendingPathComponent("tokenizer.json")),
      as: UTF8.self)
    // The one there puts a space before every text.
    for (old, new) in name == "gpt2" && changes.isEmpty ? noPrefix : changes {
      #expect(json.contains(old), "\(old)")
      json = json.replacingOccurrences(of: old, with: new)
    }
    return (try Tokenizer(json: json.utf8), texts.map(\.text))
  }

  private static let noPrefix = [("\"add_prefix_space\":true", "\"add_prefix_space\":false")]

  private static func values(_ tokenizer: Tokenizer, rows: Int = 0) throws -> (
    metadata: GGUFMetadata, notes: [String]
  ) {
    var writer = try GGUFTokenizerWriter(tokenizer, rows: rows)
    var metadata = GGUFMetadata()
    for (key, value) in try writer.values() { metadata.add(key, value) }
    return (metadata, writer.notes)
  }

  private static let known = [
    ("gpt2", "gpt2", "gpt-2"), ("llama3", "gpt2", "llama-bpe"), ("qwen2", "gpt2", "qwen2"),
    ("llama2", "llama", "default"),
  ]

  @Test("llama.cpp's name for each way of cutting text is found", arguments: known)
  func names(_ folder: String, _ model: String, _ pre: String) throws {
    let (tokenizer, _) = try Self.tokenizer(folder)
    let (metadata, notes) = try Self.values(tokenizer)
    #expect(metadata["tokenizer.ggml.model"]?.text == model)
    #expect(metadata["tokenizer.ggml.pre"]?.text == pre)
    // Qwen2 normalizes, and one of GPT-2's added tokens takes space: llama.cpp does neither.
    #expect(notes.isEmpty == folder.hasPrefix("llama"))
    #expect(
      metadata["tokenizer.ggml.add_bos_token"]?.flag == ["llama3", "llama2"].contains(folder))
    if let beginning = tokenizer.beginningOfText {
      #expect(metadata["tokenizer.ggml.bos_token_id"]?.integer == Int(beginning))
    }
  }

  @Test(
    "A tokenizer read back gives equal ids, from our keys and from llama.cpp's", arguments: known)
  func ids(_ folder: String, _ model: String, _ pre: String) throws {
    let (tokenizer, texts) = try Self.tokenizer(folder)
    let (metadata, _) = try Self.values(tokenizer, rows: tokenizer.vocabularySize + 3)
    var foreign = GGUFMetadata()
    for (key, value) in metadata.entries where !key.hasPrefix("gyro.") { foreign.add(key, value) }
    for (isOurs, keys) in [(true, metadata), (false, foreign)] {
      let (back, warning) = GGUFTokenizerReader(keys).tokenizer()
      let copy = try #require(back, "\(warning ?? "")")
      #expect(copy.beginningOfText == tokenizer.beginningOfText || !isOurs)
      #expect(copy.endOfText == tokenizer.endOfText)
      #expect(copy.vocabularySize == tokenizer.vocabularySize)
      // llama.cpp's keys cannot say that these are words, or take the space before them.
      let odd = ["word", "tool", "<mask>"]
      for text in texts where isOurs || !odd.contains(where: text.contains) {
        expectSame(copy.encode(text), tokenizer.encode(text), "\(folder): \(text)")
        // Added tokens in normalized text, which one of these has, are ours alone.
        let ids = tokenizer.encode(text, addSpecialTokens: false)
        #expect(!isOurs || copy.decode(ids) == tokenizer.decode(ids), "\(folder)")
      }
    }
  }

  @Test("Rows without a token are filled with unused ones, none of them twice")
  func padding() throws {
    let (tokenizer, _) = try Self.tokenizer("gpt2")
    let size = tokenizer.vocabularySize
    let (metadata, _) = try Self.values(tokenizer, rows: size + 3)
    guard case .strings(let tokens) = metadata["tokenizer.ggml.tokens"] else {
      Issue.record("no tokens")
      return
    }
    let types = try #require(metadata["tokenizer.ggml.token_type"]?.integers)
    #expect(tokens.count == size + 3 && Set(tokens).count == tokens.count)
    #expect(types.count == tokens.count && types.suffix(3) == [5, 5, 5])
    expectSame(tokens[size], Array("[PAD\(size)]".utf8))
    for (id, token) in tokens.prefix(size).enumerated() {
      #expect(tokenizer.token(of: Int32(id))?.utf8.elementsEqual(token) == true)
    }
  }

  @Test("Scores of a SentencePiece-like vocabulary fall with the ranks of merges")
  func scores() throws {
    let (tokenizer, _) = try Self.tokenizer("llama2")
    let (metadata, _) = try Self.values(tokenizer)
    let scores = try #require(metadata["tokenizer.ggml.scores"]?.floats)
    let types = try #require(metadata["tokenizer.ggml.token_type"]?.integers)
    guard case .strings(let merges) = metadata["tokenizer.ggml.merges"] else {
      Issue.record("no merges")
      return
    }
    #expect(types.filter { $0 == 6 }.count == 256 && types[0] == 2 && types[1] == 3)
    var last: Float = 1
    for (rank, merge) in merges.enumerated().prefix(50) {
      let product = String(decoding: merge.filter { $0 != 0x20 }, as: UTF8.self)
      let score = scores[Int(try #require(tokenizer.id(of: product)))]
      #expect(score >= -Float(rank) && score <= last)
      if score == -Float(rank) { last = score }
    }
    for (score, type) in zip(scores, types) where [2, 3, 6].contains(type) { #expect(score == 0) }
  }

  @Test("A tokenizer that llama.cpp does not have is refused, with what to do")
  func unknown() throws {
    let cases = try [
      Self.tokenizer("gpt2", [("\"type\":\"ByteLevel\"", "\"type\":\"ByteLevel\"")]),
      Self.tokenizer("qwen2", [("\"ignore_merges\":false", "\"ignore_merges\":true")]),
      Self.tokenizer("qwen2", [("\"type\":\"NFC\"", "\"type\":\"NFKC\"")]),
      Self.tokenizer("llama2", [("\"byte_fallback\":true", "\"byte_fallback\":false")]),
    ].map(\.0)
    for tokenizer in cases {
      let error = #expect(throws: ExportError.self) { try Self.values(tokenizer) }
      #expect(error?.description.contains("gpt-2, llama-bpe, qwen2, smollm") ?? false)
    }
    // Llama 3's pattern with merges has a name of its own.
    let (merging, _) = try Self.tokenizer(
      "llama3", [("\"ignore_merges\":true", "\"ignore_merges\":false")])
    #expect(try Self.values(merging).metadata["tokenizer.ggml.pre"]?.text == "dbrx")
  }

  @Test("Without a tokenizer the file says so; a damaged one is a warning, not a failure")
  func absence() throws {
    let model = try GGUFSupport.model(nil)
    let (back, _) = try GGUFSupport.roundTrip(model)
    #expect(back.language?.tokenizer == nil && back.language?.warnings == [])
    var metadata = GGUFMetadata()
    metadata.add("tokenizer.ggml.model", .text("gpt2"))
    metadata.add("tokenizer.ggml.pre", .text("a-new-one"))
    metadata.add("tokenizer.ggml.tokens", .strings([[0x61], [0x62]]))
    metadata.add("tokenizer.ggml.merges", .strings([]))
    let (tokenizer, warning) = GGUFTokenizerReader(metadata).tokenizer()
    #expect(tokenizer == nil)
    #expect(
      warning == "the file's tokenizer is left out: the pre-tokenizer 'a-new-one' is not known here"
    )
  }
}
