import Foundation
import GyroText
import Testing

@Suite("Training a byte-level vocabulary")
struct TrainerTests {
  private let texts = [
    "low lower lowest low low", "new newer newest new", "wide wider widest", "caf\u{E9} caf\u{E9}",
  ]

  @Test("Equal texts give equal tokenizers, in whatever order their words come")
  func determinism() throws {
    let trainer = ByteLevelBPETrainer(vocabularySize: 290)
    let first = try trainer.train(on: texts)
    for other in [try trainer.train(on: texts), try trainer.train(on: texts.reversed())] {
      #expect(spellings(first) == spellings(other))
    }
  }

  @Test("Special tokens come first, then the bytes, then the most frequent pairs")
  func layout() throws {
    let trainer = ByteLevelBPETrainer(
      vocabularySize: 260, specialTokens: ["<s>", "</s>"], minimumFrequency: 1)
    let tokenizer = try trainer.train(on: ["ababab ab", "cb"])
    #expect(tokenizer.vocabularySize == 260)
    #expect(tokenizer.token(of: 0) == "<s>")
    #expect(tokenizer.token(of: 2) == "!")
    #expect(tokenizer.token(of: 258) == "ab")
    #expect(tokenizer.beginningOfText == 0)
    #expect(tokenizer.endOfText == 1)
    #expect(tokenizer.encode("<s>ab</s>") == [0, 258, 1])
  }

  @Test("Of equally frequent pairs the one with the lowest ids goes first")
  func ties() throws {
    let trainer = ByteLevelBPETrainer(
      vocabularySize: 257, specialTokens: [], minimumFrequency: 1)
    #expect(try trainer.train(on: ["zy", "cd", "ce"]).token(of: 256) == "cd")
  }

  @Test("Training ends early when no pair is frequent enough")
  func minimumFrequency() throws {
    let trainer = ByteLevelBPETrainer(
      vocabularySize: 1000, specialTokens: [], minimumFrequency: 3)
    let tokenizer = try trainer.train(on: ["abab ab", "xy xy"])
    #expect(tokenizer.vocabularySize == 257)
    #expect(tokenizer.token(of: 256) == "ab")
  }

  @Test("Progress counts every token up to the last")
  func progress() throws {
    var seen: [Int] = []
    _ = try ByteLevelBPETrainer(vocabularySize: 262).train(on: texts) { seen.append($0.tokenCount) }
    #expect(seen == [258, 259, 260, 261, 262])
  }

  @Test("Every text survives a trained tokenizer, also one it never saw")
  func roundTrip() throws {
    let tokenizer = try ByteLevelBPETrainer(vocabularySize: 280).train(on: texts)
    var source = RandomText(seed: 3)
    for _ in 0..<200 {
      let text = source.text(limit: 50)
      #expect(tokenizer.decode(tokenizer.encode(text)).bytes == text.bytes)
    }
  }

  @Test("No texts at all give the byte alphabet")
  func nothing() throws {
    let tokenizer = try ByteLevelBPETrainer(vocabularySize: 300).train(on: [])
    #expect(tokenizer.vocabularySize == 257)
    #expect(tokenizer.decode(tokenizer.encode("h\u{E9}")) == "h\u{E9}")
  }

  @Test("A trained tokenizer written and read back is the same")
  func writing() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: folder) }
    let tokenizer = try ByteLevelBPETrainer(
      vocabularySize: 290, specialTokens: ["<|\"\\\u{1}\n|>"]
    ).train(on: texts)
    try tokenizer.write(to: folder)
    let again = try Tokenizer(contentsOf: folder)
    #expect(spellings(tokenizer) == spellings(again))
    for text in texts { #expect(tokenizer.encode(text) == again.encode(text)) }
  }

  @Test("A vocabulary that cannot hold the bytes is refused, with the least size that can")
  func tooSmall() {
    let expected = TokenizerError.vocabularyTooSmall(requested: 100, minimum: 257)
    #expect(throws: expected) {
      try ByteLevelBPETrainer(vocabularySize: 100).train(on: texts)
    }
    #expect(expected.description.contains("at least 257 tokens, 100 were asked for"))
  }

  @Test("Special tokens must differ and not be empty")
  func specialTokens() {
    #expect(throws: TokenizerError.duplicateToken(token: "<a>", first: 0, second: 1)) {
      try ByteLevelBPETrainer(vocabularySize: 300, specialTokens: ["<a>", "<a>"]).train(on: texts)
    }
    #expect(throws: TokenizerError.self) {
      try ByteLevelBPETrainer(vocabularySize: 300, specialTokens: [""]).train(on: texts)
    }
  }

  private func spellings(_ tokenizer: Tokenizer) -> [[UInt8]?] {
    (0..<Int32(tokenizer.vocabularySize)).map { tokenizer.token(of: $0)?.bytes }
  }
}
