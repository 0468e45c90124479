extension Tokenizer {
  /// The ids of `text`.
  ///
  /// - Parameters:
  ///   - text: Any text.
  ///   - addSpecialTokens: Whether to put around it the special tokens the file asks for.
  ///     Special tokens written in the text are always recognised.
  public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int32] {
    var encoding = Encoding(parts)
    if addSpecialTokens { encoding.identifiers = parts.postProcessor.prefix }
    encoding.append(Array(text.utf8))
    if addSpecialTokens { encoding.identifiers += parts.postProcessor.suffix }
    return encoding.identifiers
  }
}

/// One text being encoded.
private struct Encoding {
  private let parts: TokenizerParts
  private var workspace = Workspace()
  var identifiers: [Int32] = []

  init(_ parts: TokenizerParts) { self.parts = parts }

  /// Added tokens as they stand, then normalized text, then added tokens sought in that.
  mutating func append(_ text: [UInt8]) {
    let rewrites = parts.normalizer != nil
    identifiers.reserveCapacity(identifiers.count + text.count / 3)
    for segment in parts.plainMatcher.segments(of: text) {
      switch segment {
      case .token(let identifier):
        identifiers.append(identifier)
      case .text(let range) where rewrites || !parts.normalizedMatcher.isEmpty:
        let slice = Array(text[range])
        appendNormalized(
          parts.normalizer?.apply(to: slice) ?? slice, startsText: range.lowerBound == 0)
      case .text(let range):
        append(Pieces(text, range, startsText: range.lowerBound == 0))
      }
    }
  }

  private mutating func appendNormalized(_ text: [UInt8], startsText: Bool) {
    for segment in parts.normalizedMatcher.segments(of: text) {
      switch segment {
      case .token(let identifier):
        identifiers.append(identifier)
      case .text(let range):
        append(Pieces(text, range, startsText: startsText && range.lowerBound == 0))
      }
    }
  }

  /// Cuts `pieces` into words and encodes each.
  private mutating func append(_ pieces: Pieces) {
    var pieces = pieces
    parts.preTokenizer.apply(to: &pieces)
    parts.model.refine(&pieces)
    var cache = WordCache(wordCount: pieces.ranges.count)
    pieces.bytes.withUnsafeBufferPointer { bytes in
      cache.encode(
        bytes, pieces.ranges, with: parts.model, into: &identifiers, workspace: &workspace)
    }
  }
}
