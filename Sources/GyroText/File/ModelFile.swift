/// Reads the `model` of a tokenizer file.
enum ModelFile {
  /// The scalar with which SentencePiece begins a word.
  private static let wordStart = Array("\u{2581}".utf8)

  static func read(
    _ reader: JSONReader, isByteLevel: Bool
  ) throws(TokenizerError) -> BytePairModel {
    try requireBytePairEncoding(reader)
    let vocabulary = try readVocabulary(try reader.member("vocab"))
    let merges = try readMerges(try reader.member("merges"), vocabulary)
    let ignoresMerges = try reader.flag("ignore_merges", otherwise: false)
    let usesByteFallback = try reader.flag("byte_fallback", otherwise: false)
    return BytePairModel(
      vocabulary: vocabulary,
      ranks: merges.ranks,
      products: merges.products,
      unknown: try readUnknown(reader, vocabulary),
      fusesUnknown: try reader.flag("fuse_unk", otherwise: false),
      byteTokens: usesByteFallback ? byteTokens(vocabulary) : [],
      byteLevelSymbols: isByteLevel ? byteLevelSymbols(vocabulary) : [],
      wholeWords: ignoresMerges ? wholeWords(vocabulary, isByteLevel: isByteLevel) : nil,
      wordStart: isByteLevel || ignoresMerges ? nil : safeWordStart(vocabulary))
  }

  /// An id, checked.
  static func identifier(
    _ reader: JSONReader, token: [UInt8]
  ) throws(TokenizerError) -> Int {
    guard case .integer(let identifier) = reader.value,
      (0...Vocabulary.largestIdentifier).contains(identifier)
    else {
      throw .identifierOutOfRange(
        token: String(decoding: token, as: UTF8.self), found: reader.value.summary,
        limit: Vocabulary.largestIdentifier)
    }
    return identifier
  }

  private static func requireBytePairEncoding(_ reader: JSONReader) throws(TokenizerError) {
    if let type = try reader.optional("type"), try type.string() != "BPE" {
      throw type.unsupported("model type", try type.string(), supported: ["BPE"])
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = try reader.optional(key), try !affix.bytes().isEmpty {
        throw affix.unsupported("model option", try affix.string(), supported: ["null"])
      }
    }
    if let dropout = try reader.optional("dropout") {
      switch dropout.value {
      case .integer(0), .decimal("0.0"): break
      default:
        throw dropout.unsupported(
          "model option", "dropout of \(dropout.value.summary)", supported: ["null", "0.0"])
      }
    }
  }

  private static func readVocabulary(_ reader: JSONReader) throws(TokenizerError) -> Vocabulary {
    let members = try reader.members()
    // Arrays are indexed by id, so a few tokens must not ask for millions of places.
    let limit = Vocabulary.largestIdentifier(ofTokens: members.count)
    var vocabulary = Vocabulary(capacity: members.count)
    for member in members {
      let path = reader.path + "." + String(decoding: member.key, as: UTF8.self)
      let value = JSONReader(value: member.value, path: path)
      let identifier = try identifier(value, token: member.key)
      guard identifier <= limit else {
        throw .identifierOutOfRange(
          token: String(decoding: member.key, as: UTF8.self), found: value.value.summary,
          limit: limit)
      }
      try vocabulary.insert(member.key, identifier: identifier)
    }
    return vocabulary
  }

  private static func readUnknown(
    _ reader: JSONReader, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> Int32? {
    guard let token = try reader.optional("unk_token") else { return nil }
    guard let identifier = vocabulary.identifier(of: try token.bytes()) else {
      throw .unknownToken(token: try token.string(), path: token.path)
    }
    return identifier
  }

  private static func readMerges(
    _ reader: JSONReader, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> (ranks: PairTable, products: [Int32]) {
    guard case .array(let elements) = reader.value else { throw reader.unexpected("an array") }
    var ranks = PairTable(capacity: elements.count)
    var products: [Int32] = []
    products.reserveCapacity(elements.count)
    for element in elements {
      let index = products.count
      let (left, right) = try pair(element, index: index)
      let leftIdentifier = try known(left, vocabulary, index: index)
      let rightIdentifier = try known(right, vocabulary, index: index)
      products.append(try known(left + right, vocabulary, index: index))
      ranks.insert(leftIdentifier, rightIdentifier, rank: UInt32(index))
    }
    return (ranks, products)
  }

  private static func known(
    _ token: [UInt8], _ vocabulary: Vocabulary, index: Int
  ) throws(TokenizerError) -> Int32 {
    guard let identifier = vocabulary.identifier(of: token) else {
      throw .unknownTokenInMerge(index: index, token: String(decoding: token, as: UTF8.self))
    }
    return identifier
  }

  private static func pair(
    _ merge: JSONValue, index: Int
  ) throws(TokenizerError) -> ([UInt8], [UInt8]) {
    switch merge {
    case .array(let parts):
      if parts.count == 2, case .string(let left) = parts[0], case .string(let right) = parts[1] {
        return (left, right)
      }
    case .string(let line):
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      if parts.count == 2 { return (Array(parts[0]), Array(parts[1])) }
    default:
      break
    }
    throw .malformedMerge(index: index, found: merge.summary)
  }

  private static func byteTokens(_ vocabulary: Vocabulary) -> [Int32] {
    let digits = Array("0123456789ABCDEF".utf8)
    return (0..<256).map { byte in
      let name = Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15]] + Array(">".utf8)
      return vocabulary.identifier(of: name) ?? -1
    }
  }

  private static func byteLevelSymbols(_ vocabulary: Vocabulary) -> [Int32] {
    (0..<256).map { vocabulary.identifier(of: ByteLevelAlphabet.spell([UInt8($0)])) ?? -1 }
  }

  private static func wholeWords(
    _ vocabulary: Vocabulary, isByteLevel: Bool
  ) -> ByteStringTable {
    var table = ByteStringTable(capacity: vocabulary.endOfIdentifiers)
    for (identifier, spelling) in vocabulary.spellings.enumerated() {
      guard let spelling else { continue }
      let word = isByteLevel ? ByteLevelAlphabet.bytes(spelledBy: spelling) : spelling
      if let word { table.insert(word, Int32(identifier)) }
    }
    return table
  }

  /// The word-start scalar, when it is a token and no token has it after another scalar.
  private static func safeWordStart(_ vocabulary: Vocabulary) -> [UInt8]? {
    guard vocabulary.identifier(of: wordStart) != nil else { return nil }
    for case let spelling? in vocabulary.spellings {
      var rest = spelling[...]
      while rest.starts(with: wordStart) { rest = rest.dropFirst(wordStart.count) }
      if rest.firstRange(ofBytes: wordStart) != nil { return nil }
    }
    return wordStart
  }
}
