/// Reads the parts of a tokenizer from the value of a `tokenizer.json`.
struct TokenizerFile {
  private let root: JSONReader

  /// The parts that `bytes`, the text of a `tokenizer.json`, describe.
  static func parts(of bytes: [UInt8]) throws(TokenizerError) -> TokenizerParts {
    let value = try JSONParser.parse(bytes)
    return try TokenizerFile(root: JSONReader(value: value, path: "$")).parts()
  }

  private func parts() throws(TokenizerError) -> TokenizerParts {
    let normalizer: Normalizer? =
      if let found = try root.optional("normalizer") { try NormalizerFile.read(found) } else { nil }
    var preTokenizer = PreTokenizer()
    if let found = try root.optional("pre_tokenizer") {
      try PreTokenizerFile.read(found, into: &preTokenizer)
    }
    let model = try ModelFile.read(
      try root.member("model"), isByteLevel: preTokenizer.isByteLevel)
    let added = try addedTokens(model: model, normalizer: normalizer)
    var table = ByteStringTable(capacity: added.count)
    var byIdentifier: [Int32: AddedToken] = [:]
    for token in added {
      table.insert(token.content, token.identifier)
      byIdentifier[token.identifier] = token
    }
    return TokenizerParts(
      model: model,
      normalizer: normalizer,
      preTokenizer: preTokenizer,
      postProcessor: try PostProcessorFile.read(try root.optional("post_processor")),
      decoder: try DecoderFile.read(try root.optional("decoder")),
      addedTokens: byIdentifier,
      addedTable: table,
      plainMatcher: AddedTokenMatcher(added.filter { !$0.isNormalized }),
      normalizedMatcher: AddedTokenMatcher(added.filter(\.isNormalized)))
  }

  private func addedTokens(
    model: BytePairModel, normalizer: Normalizer?
  ) throws(TokenizerError) -> [AddedToken] {
    var tokens: [AddedToken] = []
    var names: [Int: [UInt8]] = [:]
    var seen = ByteStringTable(capacity: 64)
    for element in try root.optional("added_tokens")?.elements() ?? [] {
      let token = try addedToken(element, normalizer: normalizer)
      let identifier = Int(token.identifier)
      let name = String(decoding: token.content, as: UTF8.self)
      if let known = model.vocabulary.identifier(of: token.content), known != token.identifier {
        throw .duplicateToken(token: name, first: Int(known), second: identifier)
      }
      let other = names[identifier] ?? model.vocabulary.spelling(of: token.identifier)
      if let other, other != token.content {
        throw .duplicateIdentifier(
          identifier: identifier, first: String(decoding: other, as: UTF8.self), second: name)
      }
      if let twin = seen.insert(token.content, token.identifier), twin != token.identifier {
        throw .duplicateToken(token: name, first: Int(twin), second: identifier)
      }
      names[identifier] = token.content
      if !token.content.isEmpty { tokens.append(token) }
    }
    return tokens
  }

  private func addedToken(
    _ reader: JSONReader, normalizer: Normalizer?
  ) throws(TokenizerError) -> AddedToken {
    let content = try reader.member("content").bytes()
    let identifier = try ModelFile.identifier(try reader.member("id"), token: content)
    let isSpecial = try reader.flag("special", otherwise: false)
    let isNormalized = try reader.flag("normalized", otherwise: !isSpecial)
    return AddedToken(
      identifier: Int32(identifier),
      content: content,
      pattern: isNormalized ? normalizer?.apply(to: content) ?? content : content,
      isSingleWord: try reader.flag("single_word", otherwise: false),
      stripsLeft: try reader.flag("lstrip", otherwise: false),
      stripsRight: try reader.flag("rstrip", otherwise: false),
      isNormalized: isNormalized,
      isSpecial: isSpecial)
  }
}
