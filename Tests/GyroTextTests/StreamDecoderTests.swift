import GyroText
import Testing

@Suite("A stream decoder gives out whole characters only")
struct StreamDecoderTests {
  @Test("The bytes of one character come out together, with the last of them")
  func wholeCharacters() throws {
    for name in ["gpt2", "llama2"] {
      let tokenizer = try GoldenFolder.named(name).tokenizer
      let identifiers = tokenizer.encode("x\u{1F600}y", addSpecialTokens: false)
      var decoder = tokenizer.makeStreamDecoder()
      let parts = identifiers.map { decoder.append($0) }
      #expect(parts.joined() + decoder.finish() == tokenizer.decode(identifiers))
      #expect(parts.contains { $0.unicodeScalars.contains("\u{1F600}") })
      #expect(parts.allSatisfy { !$0.unicodeScalars.contains("\u{FFFD}") })
      #expect(parts.contains(""))
    }
  }

  @Test("Random texts come out as decoding gives them")
  func randomTexts() throws {
    var source = RandomText(seed: 5)
    for name in ["gpt2", "llama3", "llama2"] {
      let tokenizer = try GoldenFolder.named(name).tokenizer
      for _ in 0..<200 {
        let identifiers = tokenizer.encode(source.text(limit: 40))
        var decoder = tokenizer.makeStreamDecoder()
        let text = identifiers.map { decoder.append($0) }.joined() + decoder.finish()
        #expect(text.bytes == tokenizer.decode(identifiers).bytes)
      }
    }
  }

  @Test("Byte-level: any ids at all come out as decoding gives them")
  func randomIdentifiers() throws {
    let tokenizer = try GoldenFolder.named("llama3").tokenizer
    var source = RandomText(seed: 9)
    for _ in 0..<300 {
      let identifiers = (0..<20).map { _ in Int32(source.number(below: 400)) }
      var decoder = tokenizer.makeStreamDecoder()
      let text = identifiers.map { decoder.append($0) }.joined() + decoder.finish()
      #expect(text.bytes == tokenizer.decode(identifiers).bytes)
    }
  }

  @Test("An unfinished character comes out at the end as U+FFFD, and the decoder is as new")
  func unfinished() throws {
    let tokenizer = try GoldenFolder.named("gpt2").tokenizer
    let first = try #require(tokenizer.id(of: "\u{F0}"))
    let letter = try #require(tokenizer.id(of: "a"))
    var decoder = tokenizer.makeStreamDecoder()
    #expect(decoder.append(first) == "")
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.append(letter) == "a")
    #expect(decoder.finish() == "")
  }
}
