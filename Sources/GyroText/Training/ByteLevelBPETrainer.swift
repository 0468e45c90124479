/// Learns a byte-level byte-pair vocabulary from texts.
///
/// Words are cut by the GPT-2 pattern and spelled in bytes; the most frequent pair of neighbouring
/// tokens becomes a token, again and again. Of equally frequent pairs the one with the lowest ids
/// goes first (left id, then right id), so that equal texts give equal tokenizers. Ids: special
/// tokens, then the 256 bytes in the order of their alphabet, then merges as they were found.
public struct ByteLevelBPETrainer: Sendable {
  /// How many tokens to learn, special tokens and bytes included. There may be fewer when no pair
  /// is frequent enough.
  public var vocabularySize: Int

  /// The special tokens, which get the first ids.
  public var specialTokens: [String]

  /// How often a pair must occur to become a token.
  public var minimumFrequency: Int

  /// How far a training has come.
  public struct Progress: Sendable, Equatable {
    /// How many tokens there are.
    public let tokenCount: Int
    /// How many there are to be.
    public let targetCount: Int
  }

  /// A trainer for a vocabulary of `vocabularySize` tokens.
  public init(
    vocabularySize: Int, specialTokens: [String] = ["<|endoftext|>"], minimumFrequency: Int = 2
  ) {
    self.vocabularySize = vocabularySize
    self.specialTokens = specialTokens
    self.minimumFrequency = minimumFrequency
  }

  /// The tokenizer learned from `texts`.
  ///
  /// - Parameters:
  ///   - texts: The texts, each read once; words never reach from one into the next.
  ///   - progress: Called after each new token.
  public func train(
    on texts: some Sequence<String>, progress: (Progress) -> Void = { _ in }
  ) throws(TokenizerError) -> Tokenizer {
    var spellings = try firstSpellings()
    var words = WordCounts()
    for text in texts { words.count(text) }

    var known = ByteStringTable(capacity: vocabularySize)
    for (identifier, spelling) in spellings.enumerated() {
      known.insert(spelling, Int32(identifier))
    }
    var pairs = PairCounts(words) { byte in known[ByteLevelAlphabet.spell([byte])]! }
    var merges: [(left: Int32, right: Int32)] = []
    while spellings.count < vocabularySize,
      let (left, right) = pairs.takeMostFrequent(atLeast: minimumFrequency)
    {
      let spelling = spellings[Int(left)] + spellings[Int(right)]
      let identifier = known[spelling] ?? Int32(spellings.count)
      if known.insert(spelling, identifier) == nil { spellings.append(spelling) }
      merges.append((left, right))
      pairs.merge(left, right, into: identifier)
      progress(Progress(tokenCount: spellings.count, targetCount: vocabularySize))
    }
    let file = ByteLevelFile(
      spellings: spellings, merges: merges, specialTokenCount: specialTokens.count)
    return try Tokenizer(json: JSONWriter.write(file.value))
  }

  /// The special tokens and the byte alphabet.
  private func firstSpellings() throws(TokenizerError) -> [[UInt8]] {
    var known = ByteStringTable(capacity: specialTokens.count + 256)
    var spellings: [[UInt8]] = []
    for (index, token) in specialTokens.enumerated() {
      if token.isEmpty {
        throw .unexpectedValue(
          path: "specialTokens[\(index)]", expected: "a token", found: "an empty string")
      }
      if let twin = known.insert(Array(token.utf8), Int32(index)) {
        throw .duplicateToken(token: token, first: Int(twin), second: index)
      }
      spellings.append(Array(token.utf8))
    }
    for scalar in ByteLevelAlphabet.scalars.sorted(by: { $0.value < $1.value }) {
      let spelling = Array(UTF8.encode(scalar)!)
      if known[spelling] == nil { spellings.append(spelling) }
    }
    guard spellings.count <= vocabularySize else {
      throw .vocabularyTooSmall(requested: vocabularySize, minimum: spellings.count)
    }
    return spellings
  }
}
