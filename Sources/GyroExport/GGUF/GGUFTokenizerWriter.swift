import GyroText

/// A tokenizer as metadata: `tokenizer.ggml.*`.
///
/// llama.cpp knows the ways in which vocabularies cut text by name, so the name is found from what
/// `tokenizer.json` says; one that it does not know is an error, since llama.cpp would cut text
/// differently without a word.
struct GGUFTokenizerWriter {
  private let tokenizer: Tokenizer
  private let root: JSONValue
  private let model: JSONValue
  private let rows: Int

  /// - Parameter rows: rows of the embedding, which are filled up with unused tokens.
  /// - Throws: `TokenizerError` when the tokenizer's own text does not parse.
  init(_ tokenizer: Tokenizer, rows: Int) throws {
    self.tokenizer = tokenizer
    self.rows = rows
    root = try JSONParser.parse(tokenizer.json)
    model = root["model"] ?? .null
  }

  /// What the user should know.
  private(set) var notes: [String] = []

  /// Keys and values.
  /// - Throws: ``ExportError/impossible(format:path:what:because:instead:)`` when llama.cpp has no
  ///   such tokenizer.
  mutating func values() throws(ExportError) -> [(String, GGUFValue)] {
    let isByteLevel = isByteLevel
    let pre = isByteLevel ? try preTokenizer() : "default"
    let prefixesSpace = isByteLevel ? false : try spacePrefix()
    let (tokens, types) = tokensAndTypes
    let merges = merges
    noteAddedTokens()
    var values: [(String, GGUFValue)] = [
      ("model", .text(isByteLevel ? "gpt2" : "llama")), ("pre", .text(pre)),
      ("tokens", .strings(tokens)), ("token_type", .int32s(types)),
    ]
    if !isByteLevel {
      values.append(("scores", .float32s(scores(tokens, types, merges))))
      values.append(("add_space_prefix", .bool(prefixesSpace)))
    }
    if merges.allSatisfy({ !$0.left.contains(0x20) && !$0.right.contains(0x20) }) {
      values.append(("merges", .strings(merges.map { $0.left + [0x20] + $0.right })))
    } else if isByteLevel {
      throw impossible("merges of tokens with spaces", "merges are written as two words", "")
    }
    values += specialTokens(isByteLevel)
    return values.map { ("tokenizer.ggml." + $0.0, $0.1) } + [
      (GGUFKeys.tokenizer, .string(JSONWriter.write(rest)))
    ] + chatTemplate
  }

  private func impossible(
    _ what: String, _ reason: String, _ instead: String
  ) -> ExportError {
    .impossible(
      format: "gguf", path: "tokenizer.json", what: what, because: reason,
      instead: instead
        + "Take tokenizer.json out of the folder to write a file without a vocabulary, or train "
        + "with one of: gpt-2, llama-bpe, qwen2, smollm (byte-level), llama (SentencePiece).")
  }

  // MARK: How text is cut

  private var isByteLevel: Bool { steps.contains { $0["type"] == .text("ByteLevel") } }

  /// The pre-tokenizer's steps, without the sequence around them.
  private var steps: [JSONValue] { Self.flattened(root["pre_tokenizer"], "pretokenizers") }
  private var normalizers: [JSONValue] { Self.flattened(root["normalizer"], "normalizers") }

  private static func flattened(_ value: JSONValue?, _ key: String) -> [JSONValue] {
    guard let value, value != .null else { return [] }
    guard value["type"] == .text("Sequence") else { return [value] }
    return (value[key]?.elements ?? []).flatMap { flattened($0, key) }
  }

  /// The name llama.cpp knows this way of cutting by.
  private mutating func preTokenizer() throws(ExportError) -> String {
    try checkNormalizers()
    let ignoresMerges = model["ignore_merges"] == .boolean(true)
    guard let last = steps.last, last["type"] == .text("ByteLevel"),
      (last["add_prefix_space"] ?? .boolean(true)) == .boolean(false)
    else {
      throw impossible(
        "a byte-level tokenizer that puts a space before the text",
        "llama.cpp's byte-level tokenizers never do", "")
    }
    let usesPattern = (last["use_regex"] ?? .boolean(true)) == .boolean(true)
    switch (steps.count, usesPattern, ignoresMerges) {
    case (1, true, false): return "gpt-2"
    case (2, true, false)
    where steps[0]["type"] == .text("Digits") && steps[0]["individual_digits"] == .boolean(true):
      return "smollm"
    case (2, false, _):
      // The same patterns, told apart by how many digits one word may hold.
      let pattern = steps[0]["pattern"]?["Regex"]
      if pattern == .text(ChatPattern.llama3Text) { return ignoresMerges ? "llama-bpe" : "dbrx" }
      if pattern == .text(ChatPattern.qwen2Text), !ignoresMerges { return "qwen2" }
      if pattern == .text(GPT2Pattern.text), !ignoresMerges { return "gpt-2" }
    default: break
    }
    throw impossible(
      "this way of cutting text into words", "no pre-tokenizer of llama.cpp does the same", "")
  }

  private mutating func checkNormalizers() throws(ExportError) {
    guard let other = normalizers.first else { return }
    guard normalizers.count == 1, other["type"] == .text("NFC") else {
      throw impossible("a normalizer", "llama.cpp's byte-level tokenizers have none", "")
    }
    notes.append(
      "llama.cpp does not bring text into Unicode's form NFC, as this tokenizer does: texts that "
        + "are not in it get other ids")
  }

  /// Whether a space is put before the text, by a SentencePiece-like tokenizer.
  private mutating func spacePrefix() throws(ExportError) -> Bool {
    guard model["byte_fallback"] == .boolean(true) else {
      throw impossible(
        "a vocabulary without bytes", "llama.cpp spells unknown characters in bytes", "")
    }
    let space = JSONValue.text("\u{2581}")
    if steps.count == 1, steps[0]["type"] == .text("Metaspace"), normalizers.isEmpty,
      steps[0]["replacement"] == space
    {
      let scheme = steps[0]["prepend_scheme"] ?? .text("always")
      guard scheme != .text("never") else { return false }
      notes.append(
        "llama.cpp puts a space before every text, this tokenizer only where there is none: texts "
          + "that begin with a space get other ids")
      return true
    }
    let replaces = JSONValue.object([
      JSONMember("type", .text("Replace")),
      JSONMember("pattern", .object([JSONMember("String", .text(" "))])),
      JSONMember("content", space),
    ])
    let kinds = normalizers.map { $0["type"] }
    if steps.isEmpty, normalizers.last?.equals(replaces) ?? false {
      if kinds.count == 1 { return false }
      if kinds == [.text("Prepend"), .text("Replace")], normalizers[0]["prepend"] == space {
        return true
      }
    }
    throw impossible(
      "this way of marking spaces",
      "llama.cpp's SentencePiece tokenizer writes them as U+2581 "
        + "and puts one, or none, before the text", "")
  }

  /// llama.cpp seeks added tokens in the text as it is and takes nothing around them.
  private mutating func noteAddedTokens() {
    let flags = ["lstrip", "rstrip", "single_word"] + (normalizers.isEmpty ? [] : ["normalized"])
    let odd = (root["added_tokens"]?.elements ?? []).filter { token in
      flags.contains { token[$0] == .boolean(true) }
    }
    guard !odd.isEmpty else { return }
    notes.append(
      "\(odd.count) added tokens take white space, stand alone or are sought in normalized text, "
        + "which llama.cpp does not do: texts that hold them may get other ids")
  }

  // MARK: Vocabulary

  /// Every id's token and what kind it is.
  private var tokensAndTypes: (tokens: [[UInt8]], types: [Int]) {
    var tokens = [[UInt8]?](repeating: nil, count: max(rows, tokenizer.vocabularySize))
    var types = [Int](repeating: 1, count: tokens.count)
    let hasBytes = model["byte_fallback"] == .boolean(true)
    for member in model["vocab"]?.members ?? [] {
      guard case .integer(let id) = member.value, tokens.indices.contains(id) else { continue }
      tokens[id] = member.key
      if hasBytes, Self.isByte(member.key) { types[id] = 6 }
    }
    for token in root["added_tokens"]?.elements ?? [] {
      guard case .integer(let id) = token["id"], tokens.indices.contains(id),
        case .string(let content) = token["content"]
      else { continue }
      tokens[id] = content
      types[id] = token["special"] == .boolean(true) ? 3 : 4
    }
    if case .string(let unknown) = model["unk_token"],
      let id = tokens.firstIndex(where: { $0 == unknown })
    {
      types[id] = 2
    }
    let known = Set(tokens.compactMap { $0 })
    for id in tokens.indices where tokens[id] == nil {
      var name = Array("[PAD\(id)]".utf8)
      while known.contains(name) { name.append(UInt8(ascii: "_")) }
      tokens[id] = name
      types[id] = 5
    }
    return (tokens.map { $0! }, types)
  }

  /// Whether a token is one such as `<0x0A>`.
  static func isByte(_ token: [UInt8]) -> Bool {
    token.count == 6 && token.starts(with: "<0x".utf8) && token[5] == UInt8(ascii: ">")
  }

  /// Pairs in the order of their ranks.
  private var merges: [(left: [UInt8], right: [UInt8])] {
    (model["merges"]?.elements ?? []).compactMap { merge in
      if case .array(let parts) = merge, parts.count == 2, case .string(let left) = parts[0],
        case .string(let right) = parts[1]
      {
        return (left, right)
      }
      guard case .string(let line) = merge, let space = line.firstIndex(of: 0x20) else {
        return nil
      }
      return (Array(line[..<space]), Array(line[(space + 1)...]))
    }
  }

  /// llama.cpp joins the pair whose product has the highest score: minus the rank of the first merge
  /// that makes it, below all merges for what no merge makes, 0 for what stands for no text.
  private func scores(
    _ tokens: [[UInt8]], _ types: [Int], _ merges: [(left: [UInt8], right: [UInt8])]
  ) -> [Float] {
    var ranks: [[UInt8]: Int] = [:]
    for (rank, merge) in merges.enumerated() {
      let product = merge.left + merge.right
      if ranks[product] == nil { ranks[product] = rank }
    }
    return zip(tokens, types).enumerated().map { id, token in
      [2, 3, 6].contains(token.1) ? 0 : -Float(ranks[token.0] ?? merges.count + id)
    }
  }

  private func specialTokens(_ isByteLevel: Bool) -> [(String, GGUFValue)] {
    let around = tokenizer.idsAroundText
    let end = tokenizer.endOfText
    // Without a key of its own llama.cpp takes token 11 of a byte-level vocabulary, an ordinary one.
    let beginning = tokenizer.beginningOfText ?? around.before.first ?? (isByteLevel ? end : nil)
    var values: [(String, GGUFValue)] = []
    if let beginning { values.append(("bos_token_id", .uint32(Int(beginning)))) }
    if let end { values.append(("eos_token_id", .uint32(Int(end)))) }
    if case .string(let unknown) = model["unk_token"],
      let id = tokenizer.id(of: String(decoding: unknown, as: UTF8.self))
    {
      values.append(("unknown_token_id", .uint32(Int(id))))
    }
    values.append(("add_bos_token", .bool(around.before.first.map { $0 == beginning } ?? false)))
    values.append(("add_eos_token", .bool(around.after.last.map { $0 == end } ?? false)))
    return values
  }

  // MARK: What the keys do not say

  private var rest: JSONValue {
    var members = (root.members ?? []).filter { $0.key != Array("model".utf8) }
    let model = (model.members ?? []).filter {
      $0.key != Array("vocab".utf8) && $0.key != Array("merges".utf8)
    }
    members.append(JSONMember("model", .object(model)))
    members.append(JSONMember("bos_token", token(tokenizer.beginningOfText)))
    members.append(JSONMember("eos_token", token(tokenizer.endOfText)))
    return .object(members)
  }

  private func token(_ id: Int32?) -> JSONValue {
    id.flatMap { tokenizer.token(of: $0) }.map { .text($0) } ?? .null
  }

  private var chatTemplate: [(String, GGUFValue)] {
    guard let file = tokenizer.companions["tokenizer_config.json"],
      let value = try? JSONParser.parse(file), case .string(let template) = value["chat_template"]
    else { return [] }
    return [("tokenizer.chat_template", .string(template))]
  }
}
