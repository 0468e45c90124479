import Foundation
import GyroText
import Testing

@Suite("A file that cannot be used is refused in words that help")
struct TokenizerErrorTests {
  /// A file that is well-formed but for what a test puts in.
  private func file(
    model: String = #""type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]"#,
    rest: String = ""
  ) -> String {
    #"{"model": {"# + model + "}" + (rest.isEmpty ? "" : ", " + rest) + "}"
  }

  /// The description of the error that reading `text` throws.
  private func complaint(_ text: String) -> String {
    do throws(TokenizerError) {
      _ = try Tokenizer(json: text.utf8)
      return "no error"
    } catch {
      return error.description
    }
  }

  @Test("The file these tests vary is itself accepted")
  func baseline() throws {
    let tokenizer = try Tokenizer(json: file().utf8)
    #expect(tokenizer.encode("abba") == [2, 1, 0])
    #expect(tokenizer.decode([2, 1]) == "ab b")
  }

  @Test("A missing file, with its path")
  func missingFile() {
    #expect {
      try Tokenizer(contentsOf: URL(fileURLWithPath: "/nowhere/tokenizer.json"))
    } throws: { error in
      "\(error)".hasPrefix("Expected a readable tokenizer.json at /nowhere/tokenizer.json")
    }
  }

  @Test("A place that cannot be written, with its path")
  func unwritablePlace() throws {
    let tokenizer = try Tokenizer(json: file().utf8)
    #expect {
      try tokenizer.write(to: URL(fileURLWithPath: "/dev/null/folder"))
    } throws: { error in
      "\(error)".hasPrefix("Cannot write the tokenizer to /dev/null/folder")
    }
  }

  @Test(
    "Text that is not JSON, with line, column and byte",
    arguments: [
      ("{\n  \"a\": tru}", "line 2, column 8 (byte 9): expected true"),
      ("", "line 1, column 1 (byte 0): the text ends where a value should be"),
      ("{\"a\" 1}", "expected ':' after a key"),
      ("{\"a\": 1 \"b\"", "expected ',' or '}' in an object"),
      ("[1 2]", "expected ',' or ']' in an array"),
      ("[1.]", "expected a digit"),
      ("[01]", "a number cannot begin with 0"),
      ("[\"\\x\"]", "unknown escape"),
      ("[\"\\ud800\"]", "a surrogate without its partner"),
      ("[\"\\u00g0\"]", "expected four hexadecimal digits"),
      ("[\"a", "the text ends inside a string"),
      ("[\"\u{1}\"]", "a control character must be escaped"),
      ("{} {}", "more text after the end"),
      ("version https://example", "a value cannot begin with 'v'"),
    ])
  func notJSON(_ text: String, _ words: String) {
    #expect(complaint(text).contains(words))
  }

  @Test("Bytes that are not UTF-8, with their place")
  func notUTF8() {
    let expected = TokenizerError.invalidJSON(
      line: 1, column: 3, offset: 2, problem: "invalid UTF-8")
    #expect(throws: expected) { try Tokenizer(json: [0x7B, 0x22, 0xFF, 0x22]) }
  }

  @Test("Nesting without end")
  func deepNesting() {
    #expect(complaint(String(repeating: "[", count: 1_000_000)).contains("nest deeper than 128"))
    let objects = String(repeating: "{\"a\":", count: 100_000)
    #expect(complaint(objects).contains("nest deeper than 128"))
  }

  @Test("A missing key, with its path")
  func missingKeys() {
    #expect(complaint("{}").hasPrefix("Expected the key $.model, which is missing"))
    #expect(complaint(file(model: #""vocab": {}"#)).contains("the key $.model.merges"))
    #expect(complaint(file(model: #""merges": []"#)).contains("the key $.model.vocab"))
  }

  @Test("A value of another type, with its path and what it is")
  func wrongTypes() {
    #expect(complaint("[]").contains("Expected an object at $, found an array of 0"))
    let vocabulary = complaint(file(model: #""vocab": [], "merges": []"#))
    #expect(vocabulary.contains("Expected an object at $.model.vocab, found an array of 0"))
    let flag = complaint(file(rest: #""added_tokens": [{"id": 3, "content": "x", "special": 1}]"#))
    #expect(flag.contains("true or false at $.added_tokens[0].special, found the number 1"))
    let kind = complaint(file(rest: #""normalizer": {"type": 5}"#))
    #expect(kind.contains("Expected a string at $.normalizer.type, found the number 5"))
  }

  @Test(
    "A component that is not implemented, with those that are",
    arguments: [
      (#""normalizer": {"type": "Nmt"}"#, #"The normalizer "Nmt" at $.normalizer"#, "NFKC"),
      (#""pre_tokenizer": {"type": "Bert"}"#, #"The pre-tokenizer "Bert""#, "Metaspace"),
      (#""decoder": {"type": "CTC"}"#, #"The decoder "CTC" at $.decoder"#, "ByteFallback"),
      (#""post_processor": {"type": "New"}"#, #"The post-processor "New""#, "TemplateProcessing"),
      (
        #""pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}"#,
        #"The prepend scheme "last""#, "always, first, never"
      ),
      (
        #""pre_tokenizer": {"type": "Split", "behavior": "Odd", "pattern": {"String": "a"}}"#,
        #"The split behavior "Odd""#, "Isolated"
      ),
      (
        #""pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "a+"}}"#,
        #"The regular expression "a+" at $.pre_tokenizer.pattern.Regex"#, #"\p{N}{1,3}"#
      ),
      (
        #""normalizer": {"type": "Replace", "content": "", "pattern": {"Regex": "a+"}}"#,
        #"The regular expression "a+""#, "a literal"
      ),
    ])
  func unsupported(_ part: String, _ words: String, _ alternative: String) {
    let text = complaint(file(rest: part))
    #expect(text.hasPrefix(words))
    #expect(text.contains("is not supported; supported: "))
    #expect(text.contains(alternative))
  }

  @Test("A model that is not byte-pair encoding, or one with dropout or affixes")
  func unsupportedModels() {
    let body = #""vocab": {"a": 0}, "merges": []"#
    let unigram = complaint(file(model: #""type": "Unigram", "# + body))
    #expect(unigram.hasPrefix(#"The model type "Unigram" at $.model.type is not supported"#))
    let dropout = complaint(file(model: #""dropout": 0.1, "# + body))
    #expect(dropout.contains("dropout of the number 0.1"))
    let suffix = complaint(file(model: #""end_of_word_suffix": "</w>", "# + body))
    #expect(suffix.contains(#"The model option "</w>" at $.model.end_of_word_suffix"#))
  }

  @Test("A merge of tokens that are not in the vocabulary, or of no pair")
  func merges() {
    func merging(_ merge: String) -> String {
      complaint(file(model: #""vocab": {"a": 0, "b": 1}, "merges": ["# + merge + "]"))
    }
    #expect(merging(#"["a", "c"]"#).hasPrefix(#"Merge 0 needs the token "c""#))
    #expect(merging(#""a b""#).hasPrefix(#"Merge 0 needs the token "ab""#))
    #expect(merging(#""a b c""#).contains(#"merge 0 to be ["a", "b"] or "a b", found the string"#))
    #expect(merging("7").contains("found the number 7"))
    #expect(merging(#"["a"]"#).contains("found an array of 1"))
  }

  @Test(
    "An id that is negative, fractional, huge or no number",
    arguments: ["-1", "0.5", "1e3", "16777216", "99999999999999999999999", "\"1\"", "null", "[]"])
  func identifiers(_ identifier: String) {
    let inVocabulary = complaint(file(model: "\"vocab\": {\"a\": \(identifier)}, \"merges\": []"))
    #expect(inVocabulary.contains("the id of token \"a\" to be a whole number from 0 to 16777215"))
    let added = complaint(
      file(rest: "\"added_tokens\": [{\"id\": \(identifier), \"content\": \"x\"}]"))
    #expect(added.contains("the id of token \"x\" to be a whole number"))
  }

  @Test("Ids and tokens that occur twice")
  func duplicates() {
    let identifier = complaint(file(model: #""vocab": {"a": 1, "b": 1}, "merges": []"#))
    #expect(identifier.hasPrefix(#"The id 1 belongs to two tokens, "a" and "b""#))
    let token = complaint(file(model: #""vocab": {"a": 0, "a": 1}, "merges": []"#))
    #expect(token.hasPrefix(#"The token "a" is listed twice, with the ids 0 and 1"#))
    let taken = complaint(file(rest: #""added_tokens": [{"id": 1, "content": "x"}]"#))
    #expect(taken.hasPrefix(#"The id 1 belongs to two tokens, "b" and "x""#))
    let moved = complaint(file(rest: #""added_tokens": [{"id": 9, "content": "b"}]"#))
    #expect(moved.hasPrefix(#"The token "b" is listed twice, with the ids 1 and 9"#))
  }

  @Test("Canonically equivalent tokens are two tokens, not duplicates")
  func canonicalEquivalents() throws {
    let text = file(model: "\"vocab\": {\"\u{C5}\": 0, \"\u{212B}\": 1}, \"merges\": []")
    let tokenizer = try Tokenizer(json: text.utf8)
    #expect(tokenizer.encode("\u{212B}\u{C5}") == [1, 0])
  }

  @Test("An unknown token, or a beginning of text, that the vocabulary lacks")
  func unknownTokens() throws {
    let unknown = complaint(file(model: #""unk_token": "?", "vocab": {}, "merges": []"#))
    #expect(unknown.hasPrefix(#"The token "?" named at $.model.unk_token"#))

    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: folder) }
    try Tokenizer(json: file().utf8).write(to: folder)
    let configuration = folder.appendingPathComponent("tokenizer_config.json")
    try Data(#"{"bos_token": "<start>"}"#.utf8).write(to: configuration)
    let expected = TokenizerError.unknownToken(token: "<start>", path: "$.bos_token")
    #expect(throws: expected) { try Tokenizer(contentsOf: folder) }
  }

  @Test("A file cut short anywhere is refused, never trapped on")
  func truncation() throws {
    let url = GoldenFolder.named("qwen2").url.appendingPathComponent("tokenizer.json")
    let bytes = Array(try Data(contentsOf: url))
    for length in stride(from: 0, to: bytes.count - 2, by: 97) {
      #expect(throws: TokenizerError.self) { try Tokenizer(json: bytes.prefix(length)) }
    }
  }

  @Test("A file with any byte changed is read or refused, never trapped on")
  func corruption() throws {
    let url = GoldenFolder.named("llama2").url.appendingPathComponent("tokenizer.json")
    let bytes = Array(try Data(contentsOf: url))
    for position in stride(from: 0, to: bytes.count, by: 61) {
      var changed = bytes
      changed[position] ^= UInt8(1 << (position % 7))
      if let tokenizer = try? Tokenizer(json: changed) {
        _ = tokenizer.decode(tokenizer.encode("The quick caf\u{E9}"))
      }
    }
  }
}
