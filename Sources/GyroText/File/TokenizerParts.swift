/// What a tokenizer file describes, ready for use.
struct TokenizerParts: Sendable {
  var model: BytePairModel
  var normalizer: Normalizer?
  var preTokenizer: PreTokenizer
  var postProcessor: PostProcessor
  var decoder: TokenDecoder
  var addedTokens: [Int32: AddedToken]
  /// The ids of added tokens by their text.
  var addedTable: ByteStringTable
  var plainMatcher: AddedTokenMatcher
  var normalizedMatcher: AddedTokenMatcher

  /// The id of a token; added tokens go before those of the model.
  func identifier(of token: [UInt8]) -> Int32? {
    addedTable[token] ?? model.vocabulary.identifier(of: token)
  }

  /// The token with an id; added tokens go before those of the model.
  func spelling(of identifier: Int32) -> [UInt8]? {
    addedTokens[identifier]?.content ?? model.vocabulary.spelling(of: identifier)
  }

  /// The token with an id as decoding sees it, or nil when there is none or it is to be skipped.
  /// A token sought in normalized text is written as it stands there.
  func decodingSpelling(of identifier: Int32, skipSpecialTokens: Bool) -> [UInt8]? {
    if let added = addedTokens[identifier] {
      return skipSpecialTokens && added.isSpecial ? nil : added.pattern
    }
    return model.vocabulary.spelling(of: identifier)
  }
}
