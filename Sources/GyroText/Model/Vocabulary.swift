/// Tokens and their ids, in both directions.
struct Vocabulary: Sendable {
  /// The largest id accepted: vocabularies are dense, and arrays are indexed by id.
  static let largestIdentifier = 1 << 24 - 1

  /// The largest id accepted in a vocabulary of so many tokens: there may be holes, but not mostly.
  static func largestIdentifier(ofTokens count: Int) -> Int {
    min(largestIdentifier, 65536 + 16 * count)
  }

  private(set) var spellings: [[UInt8]?] = []
  private var table: ByteStringTable

  /// An empty vocabulary with room for `capacity` tokens.
  init(capacity: Int) { table = ByteStringTable(capacity: capacity) }

  /// The largest id plus one.
  var endOfIdentifiers: Int { spellings.count }

  /// The id of a token.
  func identifier(of token: [UInt8]) -> Int32? { table[token] }

  /// The id of a token.
  func identifier(of token: UnsafeBufferPointer<UInt8>) -> Int32? { table[token] }

  /// The token with an id.
  func spelling(of identifier: Int32) -> [UInt8]? {
    identifier >= 0 && identifier < spellings.count ? spellings[Int(identifier)] : nil
  }

  /// Adds a token; ids and tokens must be new, ids within bounds.
  mutating func insert(_ token: [UInt8], identifier: Int) throws(TokenizerError) {
    let name = String(decoding: token, as: UTF8.self)
    guard (0...Self.largestIdentifier).contains(identifier) else {
      throw .identifierOutOfRange(
        token: name, found: String(identifier), limit: Self.largestIdentifier)
    }
    if identifier >= spellings.count {
      let missing = identifier + 1 - spellings.count
      spellings.append(contentsOf: repeatElement(nil, count: missing))
    }
    if let other = spellings[identifier] {
      throw .duplicateIdentifier(
        identifier: identifier, first: String(decoding: other, as: UTF8.self), second: name)
    }
    if let other = table.insert(token, Int32(identifier)) {
      throw .duplicateToken(token: name, first: Int(other), second: identifier)
    }
    spellings[identifier] = token
  }
}
