/// Writes spaces as a visible scalar and begins a word at each of them, as SentencePiece does.
struct Metaspace: Sendable {
  /// When the replacement is put before a piece that does not begin with it.
  enum PrependScheme: String, Sendable, CaseIterable {
    case always
    case first
    case never
  }

  var replacement: [UInt8]
  var prependScheme: PrependScheme
  var splits: Bool

  func apply(to pieces: inout Pieces) {
    pieces.rewrite { piece, startsText, output in
      let start = output.count
      output.append(contentsOf: piece.replacing(bytes: [0x20], with: replacement))
      let mayPrepend = prependScheme == .always || prependScheme == .first && startsText
      if mayPrepend, !output[start...].starts(with: replacement) {
        output.insert(contentsOf: replacement, at: start)
      }
    }
    if splits {
      let split = LiteralSplit(
        pattern: replacement, behavior: .mergedWithNext, isInverted: false)
      split.apply(to: &pieces)
    }
  }
}
