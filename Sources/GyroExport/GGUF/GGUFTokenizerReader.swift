import GyroText

/// Makes a tokenizer from `tokenizer.ggml.*`, by way of the `tokenizer.json` those keys stand for.
struct GGUFTokenizerReader {
  private let metadata: GGUFMetadata

  init(_ metadata: GGUFMetadata) { self.metadata = metadata }

  /// The tokenizer; or why there is none.
  func tokenizer() -> (Tokenizer?, warning: String?) {
    let kind = value("model")?.text ?? "no_vocab"
    guard kind != "no_vocab", kind != "none" else { return (nil, nil) }
    do {
      return (try made(kind), nil)
    } catch let unsupported as Unsupported {
      return (nil, "the file's tokenizer is left out: \(unsupported.what)")
    } catch {
      return (nil, "the file's tokenizer is left out: \(error)")
    }
  }

  private struct Unsupported: Error { let what: String }

  private func value(_ key: String) -> GGUFValue? { metadata["tokenizer.ggml." + key] }

  private func made(_ kind: String) throws -> Tokenizer {
    guard case .strings(let tokens) = value("tokens") else {
      throw Unsupported(what: "there are no tokens")
    }
    let types = value("token_type")?.integers ?? [Int](repeating: 1, count: tokens.count)
    guard types.count == tokens.count else {
      throw Unsupported(what: "\(types.count) token types do not fit \(tokens.count) tokens")
    }
    var root: JSONValue
    if case .string(let text) = metadata[GGUFKeys.tokenizer] {
      root = try JSONParser.parse(text)
    } else {
      root = try skeleton(kind, tokens, types)
    }
    let names = root.members ?? []
    let model = JSONValue.object(
      (root["model"]?.members ?? []) + [
        JSONMember("vocab", vocabulary(tokens, types)),
        JSONMember("merges", .array(try merges(kind, tokens, types))),
      ])
    let ours = ["model", "bos_token", "eos_token"].map { Array($0.utf8) }
    var config = names.filter { $0.key == ours[1] || $0.key == ours[2] }
    config.removeAll { $0.value == .null }
    if case .string(let template) = metadata["tokenizer.chat_template"] {
      config.append(JSONMember("chat_template", .string(template)))
    }
    root = .object(names.filter { !ours.contains($0.key) } + [JSONMember("model", model)])
    return try Tokenizer(
      json: JSONWriter.write(root),
      companions: config.isEmpty
        ? [:] : ["tokenizer_config.json": JSONWriter.write(.object(config))])
  }

  private func vocabulary(_ tokens: [[UInt8]], _ types: [Int]) -> JSONValue {
    .object(
      zip(tokens, types).enumerated().compactMap { id, token in
        token.1 == 5 ? nil : JSONMember(token.0, .integer(id))
      })
  }

  private func merges(_ kind: String, _ tokens: [[UInt8]], _ types: [Int]) throws -> [JSONValue] {
    guard case .strings(let lines) = value("merges") else {
      guard kind == "llama" else { throw Unsupported(what: "there are no merges") }
      return try mergesByScore(tokens, types)
    }
    return try lines.map { line in
      // A token may begin with a space, but none is empty.
      guard let space = line.dropFirst().firstIndex(of: 0x20), space + 1 < line.count else {
        throw Unsupported(what: "a merge is not two tokens")
      }
      return .array([.string(Array(line[..<space])), .string(Array(line[(space + 1)...]))])
    }
  }

  /// Longer tokens get no merges: that would take time in the square of their length.
  private static let longestToken = 256

  /// Every way to make a token of two others, highest score first.
  private func mergesByScore(_ tokens: [[UInt8]], _ types: [Int]) throws -> [JSONValue] {
    guard let scores = value("scores")?.floats, scores.count == tokens.count else {
      throw Unsupported(what: "there is no score for each token")
    }
    var ids: [ArraySlice<UInt8>: Int] = [:]
    for (id, token) in tokens.enumerated() where types[id] == 1 || types[id] == 4 {
      ids[token[...]] = id
    }
    var found: [(left: Int, right: Int, product: Int)] = []
    for (id, token) in tokens.enumerated()
    where types[id] == 1 && (2...Self.longestToken).contains(token.count) {
      for place in 1..<token.count {
        guard let left = ids[token[..<place]], let right = ids[token[place...]] else { continue }
        found.append((left, right, id))
      }
    }
    found.sort {
      let (one, other) = (scores[$0.product], scores[$1.product])
      return one != other ? one > other : ($0.left, $0.right) < ($1.left, $1.right)
    }
    return found.map { .array([.string(tokens[$0.left]), .string(tokens[$0.right])]) }
  }

  // MARK: Files of other programs

  /// `tokenizer.json` without vocabulary and merges, for the ways of cutting text that are known.
  private func skeleton(
    _ kind: String, _ tokens: [[UInt8]], _ types: [Int]
  ) throws -> JSONValue {
    let added = types.indices.filter { [2, 3, 4].contains(types[$0]) }.map { id in
      JSONValue.object([
        JSONMember("id", .integer(id)), JSONMember("content", .string(tokens[id])),
        JSONMember("single_word", .boolean(false)), JSONMember("lstrip", .boolean(false)),
        JSONMember("rstrip", .boolean(false)), JSONMember("normalized", .boolean(false)),
        JSONMember("special", .boolean(types[id] != 4)),
      ])
    }
    let pre = value("pre")?.text ?? ""
    let how = kind == "llama" ? spaces() : try words(kind, pre)
    var model = [
      JSONMember("type", .text("BPE")),
      JSONMember("byte_fallback", .boolean(kind == "llama")),
      JSONMember("fuse_unk", .boolean(kind == "llama")),
      JSONMember("ignore_merges", .boolean(Self.wholeWords.contains(pre))),
    ]
    let unknown = value("unknown_token_id")?.integer ?? (kind == "llama" ? 0 : -1)
    if tokens.indices.contains(unknown) {
      model.append(JSONMember("unk_token", .string(tokens[unknown])))
    }
    return .object(
      [JSONMember("added_tokens", .array(added))] + how + [
        JSONMember("post_processor", try around(kind, pre, tokens)),
        JSONMember("model", .object(model)),
        JSONMember("bos_token", named("bos", tokens)),
        JSONMember("eos_token", named("eos", tokens)),
      ])
  }

  private static let wholeWords: Set = ["llama3", "llama-v3", "llama-bpe"]

  private func named(_ which: String, _ tokens: [[UInt8]]) -> JSONValue {
    guard let id = value("\(which)_token_id")?.integer, tokens.indices.contains(id) else {
      return .null
    }
    return .string(tokens[id])
  }

  private func step(_ type: String, _ members: [(String, JSONValue)]) -> JSONValue {
    .object([JSONMember("type", .text(type))] + members.map { JSONMember($0.0, $0.1) })
  }

  /// Byte-level.
  private func words(_ kind: String, _ pre: String) throws -> [JSONMember] {
    func bytes(usesPattern: Bool) -> JSONValue {
      step(
        "ByteLevel",
        [("add_prefix_space", .boolean(false)), ("use_regex", .boolean(usesPattern))])
    }
    func sequence(_ first: JSONValue, usesPattern: Bool) -> JSONValue {
      step("Sequence", [("pretokenizers", .array([first, bytes(usesPattern: usesPattern)]))])
    }
    func split(_ pattern: String) -> JSONValue {
      step(
        "Split",
        [
          ("pattern", .object([JSONMember("Regex", .text(pattern))])),
          ("behavior", .text("Isolated")), ("invert", .boolean(false)),
        ])
    }
    guard kind == "gpt2" else { throw Unsupported(what: "it is of the kind '\(kind)'") }
    let cut: JSONValue
    var normalizer = JSONValue.null
    switch pre {
    case "gpt-2", "phi-2", "mpt", "olmo", "jais": cut = bytes(usesPattern: true)
    case "smollm", "starcoder", "refact", "codeshell":
      cut = sequence(
        step("Digits", [("individual_digits", .boolean(true))]), usesPattern: true)
    case "llama3", "llama-v3", "llama-bpe", "dbrx", "smaug-bpe":
      cut = sequence(split(ChatPattern.llama3Text), usesPattern: false)
    case "qwen2", "deepseek-r1-qwen":
      cut = sequence(split(ChatPattern.qwen2Text), usesPattern: false)
      normalizer = step("NFC", [])
    default: throw Unsupported(what: "the pre-tokenizer '\(pre)' is not known here")
    }
    return [
      JSONMember("normalizer", normalizer), JSONMember("pre_tokenizer", cut),
      JSONMember("decoder", step("ByteLevel", [])),
    ]
  }

  /// SentencePiece-like.
  private func spaces() -> [JSONMember] {
    let space = JSONValue.text("\u{2581}")
    func replace(_ pattern: JSONValue, _ content: JSONValue) -> JSONValue {
      step(
        "Replace",
        [("pattern", .object([JSONMember("String", pattern)])), ("content", content)])
    }
    let prefixes = value("add_space_prefix")?.flag ?? true
    var normalizers = [replace(.text(" "), space)]
    var decoders = [replace(space, .text(" ")), step("ByteFallback", []), step("Fuse", [])]
    if prefixes {
      normalizers.insert(step("Prepend", [("prepend", space)]), at: 0)
      decoders.append(
        step("Strip", [("content", .text(" ")), ("start", .integer(1)), ("stop", .integer(0))]))
    }
    return [
      JSONMember("normalizer", step("Sequence", [("normalizers", .array(normalizers))])),
      JSONMember("pre_tokenizer", .null),
      JSONMember("decoder", step("Sequence", [("decoders", .array(decoders))])),
    ]
  }

  /// The special tokens put around a text.
  private func around(_ kind: String, _ pre: String, _ tokens: [[UInt8]]) throws -> JSONValue {
    let usual = kind == "llama" || Self.wholeWords.contains(pre)
    var pieces: [JSONValue] = []
    var specials: [JSONMember] = []
    func special(_ which: String) {
      guard let id = value("\(which)_token_id")?.integer, tokens.indices.contains(id) else {
        return
      }
      let name = JSONValue.string(tokens[id])
      pieces.append(.object([JSONMember("SpecialToken", .object([JSONMember("id", name)]))]))
      guard !specials.contains(where: { $0.key == tokens[id] }) else { return }
      specials.append(
        JSONMember(
          tokens[id],
          .object([
            JSONMember("id", name), JSONMember("ids", .array([.integer(id)])),
            JSONMember("tokens", .array([name])),
          ])))
    }
    if value("add_bos_token")?.flag ?? usual { special("bos") }
    pieces.append(.object([JSONMember("Sequence", .object([JSONMember("id", .text("A"))]))]))
    if value("add_eos_token")?.flag ?? false { special("eos") }
    return step(
      "TemplateProcessing",
      [("single", .array(pieces)), ("pair", .array([])), ("special_tokens", .object(specials))])
  }
}
