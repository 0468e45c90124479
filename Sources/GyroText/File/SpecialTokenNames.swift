/// Which tokens begin and end a text, as the files beside `tokenizer.json` or custom name them.
struct SpecialTokenNames {
  private static let usualBeginnings =
    ["<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>"]
  private static let usualEnds = ["</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>"]

  var beginningOfText: Int32?
  var endOfText: Int32?

  /// The names in `configurations`, the texts of `tokenizer_config.json` and
  /// `special_tokens_map.json` as far as there are any; without them, the usual names.
  init(_ configurations: [[UInt8]], parts: TokenizerParts) throws(TokenizerError) {
    var isNamed = false
    for bytes in configurations {
      let root = JSONReader(value: try JSONParser.parse(bytes), path: "$")
      let beginning = try Self.identifier("bos_token", root, parts)
      let end = try Self.identifier("eos_token", root, parts)
      isNamed = isNamed || beginning != nil || end != nil
      beginningOfText = beginningOfText ?? beginning
      endOfText = endOfText ?? end
    }
    if isNamed { return }
    beginningOfText =
      Self.first(of: Self.usualBeginnings, parts) ?? parts.postProcessor.prefix.first
    endOfText = Self.first(of: Self.usualEnds, parts) ?? parts.postProcessor.suffix.last
  }

  private static func identifier(
    _ key: String, _ root: JSONReader, _ parts: TokenizerParts
  ) throws(TokenizerError) -> Int32? {
    guard let named = try root.optional(key) else { return nil }
    let content: JSONReader
    if case .object = named.value { content = try named.member("content") } else { content = named }
    guard let identifier = parts.identifier(of: try content.bytes()) else {
      throw .unknownToken(token: try content.string(), path: content.path)
    }
    return identifier
  }

  private static func first(of names: [String], _ parts: TokenizerParts) -> Int32? {
    names.lazy.compactMap { parts.addedTable[Array($0.utf8)] }.first
  }
}
