import Foundation
import GyroText
import Testing

@Suite("Nothing is lost")
struct RoundTripTests {
  @Test("Byte-level: decoding what was encoded gives every text back, byte for byte")
  func randomTexts() throws {
    let tokenizer = try GoldenFolder.named("llama3").tokenizer
    var source = RandomText(seed: 1)
    for _ in 0..<500 {
      let text = source.text(limit: 60)
      let identifiers = tokenizer.encode(text, addSpecialTokens: false)
      #expect(tokenizer.decode(identifiers).bytes == text.bytes)
    }
  }

  @Test("Texts that look equal but are spelled otherwise keep their spelling")
  func canonicalEquivalents() throws {
    let tokenizer = try GoldenFolder.named("llama3").tokenizer
    let composed = tokenizer.encode("\u{C5}")
    let singleton = tokenizer.encode("\u{212B}")
    #expect("\u{C5}" == "\u{212B}")
    #expect(composed != singleton)
  }

  @Test("A word gets the same ids alone and after many others")
  func cacheIsInvisible() throws {
    for folder in GoldenFolder.committed {
      let tokenizer = try folder.tokenizer
      let words = (0..<300).map { "word\($0 % 17)x" }
      let once = tokenizer.encode(words.joined(separator: "\n"), addSpecialTokens: false)
      let twice = tokenizer.encode(words.joined(separator: "\n"), addSpecialTokens: false)
      #expect(once == twice)
      let first = tokenizer.encode("word3x\n", addSpecialTokens: false)
      let both = tokenizer.encode("word3x\nword3x\n", addSpecialTokens: false)
      #expect(Array(both.prefix(first.count - 1)) == Array(first.dropLast()))
    }
  }

  @Test("Long words merge by queue as short ones do by scanning")
  func longWords() throws {
    for folder in GoldenFolder.committed {
      let tokenizer = try folder.tokenizer
      let long = String(repeating: "abetheretheinging", count: 2000)
      let identifiers = tokenizer.encode(long, addSpecialTokens: false)
      let text = tokenizer.decode(identifiers)
      #expect(text.hasSuffix(long))
    }
  }

  @Test("Ids that name no token are passed over")
  func strayIdentifiers() throws {
    for folder in GoldenFolder.committed {
      let tokenizer = try folder.tokenizer
      #expect(tokenizer.decode([-1, .min, .max, Int32(tokenizer.vocabularySize)]) == "")
      #expect(tokenizer.token(of: -1) == nil)
      #expect(tokenizer.token(of: Int32(tokenizer.vocabularySize)) == nil)
    }
  }

  @Test("Every token's id names that token")
  func namesAndIdentifiers() throws {
    for folder in GoldenFolder.committed {
      let tokenizer = try folder.tokenizer
      for identifier in 0..<Int32(tokenizer.vocabularySize) {
        let token = try #require(tokenizer.token(of: identifier))
        #expect(tokenizer.id(of: token) == identifier)
      }
    }
  }

  @Test("A tokenizer written and read back is the same, its companions too")
  func writing() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: folder) }
    let original = GoldenFolder.named("llama2")
    let first = folder.appendingPathComponent("first")
    try original.tokenizer.write(to: first)
    let configuration = #"{"bos_token": {"content": "</s>"}, "eos_token": "<s>"}"#
    try Data(configuration.utf8).write(to: first.appendingPathComponent("tokenizer_config.json"))
    let configured = try Tokenizer(contentsOf: first)
    #expect(configured.beginningOfText == 2)
    #expect(configured.endOfText == 1)

    let second = folder.appendingPathComponent("second")
    try configured.write(to: second)
    let again = try Tokenizer(contentsOf: second)
    #expect(again.beginningOfText == 2)
    #expect(again.endOfText == 1)
    for row in try original.rows { #expect(again.encode(row.text) == row.ids) }

    let file = folder.appendingPathComponent("alone.json")
    try again.write(to: file)
    let copy = second.appendingPathComponent("tokenizer.json")
    #expect(try Data(contentsOf: file) == Data(contentsOf: copy))
  }

  @Test("Without a configuration, the usual names begin and end a text")
  func usualNames() throws {
    let tokenizer = try GoldenFolder.named("llama2").tokenizer
    #expect(tokenizer.beginningOfText == tokenizer.id(of: "<s>"))
    #expect(tokenizer.endOfText == tokenizer.id(of: "</s>"))
    #expect(tokenizer.isSpecial(1))
    #expect(!tokenizer.isSpecial(300))
  }
}
