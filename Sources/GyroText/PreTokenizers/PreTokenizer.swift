/// The steps that cut a text into words, in order.
struct PreTokenizer: Sendable {
  /// One step.
  enum Step: Sendable {
    case gpt2
    case chat(digitLimit: Int)
    case digits(individual: Bool)
    case literal(LiteralSplit)
    case metaspace(Metaspace)
    case prefixSpace
  }

  var steps: [Step] = []

  /// Whether words are spelled in the byte-level alphabet.
  var isByteLevel = false

  /// Cuts `pieces` further.
  func apply(to pieces: inout Pieces) {
    for step in steps {
      switch step {
      case .gpt2:
        pieces.split { GPT2Pattern.endOfWord($0, $1, $2) }
      case .chat(let digitLimit):
        let pattern = ChatPattern(digitLimit: digitLimit)
        pieces.split { pattern.endOfWord($0, $1, $2) }
      case .digits(let individual):
        pieces.split { text, start, limit in
          Self.endOfDigits(text, start, limit, individual: individual)
        }
      case .literal(let split):
        split.apply(to: &pieces)
      case .metaspace(let metaspace):
        metaspace.apply(to: &pieces)
      case .prefixSpace:
        pieces.rewrite { piece, _, output in
          if piece.first != 0x20 { output.append(0x20) }
          output.append(contentsOf: piece)
        }
      }
    }
  }

  /// The end of the run of numerals, or of anything else, that begins at `start`.
  private static func endOfDigits(
    _ text: UTF8Text, _ start: Int, _ limit: Int, individual: Bool
  ) -> Int {
    let (first, afterFirst) = text.classified(at: start)
    if individual, first == .number { return afterFirst }
    var position = afterFirst
    while position < limit {
      let (found, next) = text.classified(at: position)
      if (found == .number) != (first == .number) { break }
      position = next
    }
    return position
  }
}
