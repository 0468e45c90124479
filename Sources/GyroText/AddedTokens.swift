/// A token found in the text as it is, before the model sees the rest.
struct AddedToken: Sendable {
  var identifier: Int32
  var content: [UInt8]
  /// What is sought: the content, normalized when the text it is sought in is.
  var pattern: [UInt8]
  /// Whether it counts only when no word character touches it.
  var isSingleWord = false
  /// Whether it takes the white space before it.
  var stripsLeft = false
  /// Whether it takes the white space after it.
  var stripsRight = false
  /// Whether it is sought in the normalized text.
  var isNormalized = false
  /// Whether decoding may skip it.
  var isSpecial = false
}

/// A stretch of text: an added token, or text for the model.
enum TextSegment {
  case token(Int32)
  case text(Range<Int>)
}

/// Finds added tokens: leftmost, and of several that begin at one place the longest.
struct AddedTokenMatcher: Sendable {
  private var tokens: [AddedToken] = []
  /// Node and byte to child node; node 0 is the root.
  private var children: [UInt64: Int] = [:]
  private var tokenAtNode: [Int: Int] = [:]
  private var nodeCount = 1
  private var mayBegin = [Bool](repeating: false, count: 256)

  /// A matcher that seeks the pattern of each token.
  init(_ tokens: [AddedToken]) {
    for token in tokens where !token.pattern.isEmpty { insert(token) }
  }

  private mutating func insert(_ token: AddedToken) {
    mayBegin[Int(token.pattern[0])] = true
    var node = 0
    for byte in token.pattern {
      let edge = UInt64(node) << 8 | UInt64(byte)
      if let child = children[edge] {
        node = child
      } else {
        children[edge] = nodeCount
        node = nodeCount
        nodeCount += 1
      }
    }
    tokenAtNode[node] = tokens.count
    tokens.append(token)
  }

  /// Whether there is nothing to find.
  var isEmpty: Bool { tokens.isEmpty }

  /// `text` cut at the added tokens in it.
  func segments(of text: [UInt8]) -> [TextSegment] {
    if text.isEmpty { return [] }
    if isEmpty { return [.text(0..<text.count)] }
    var segments: [TextSegment] = []
    var covered = 0
    var position = 0
    while position < text.count {
      guard mayBegin[Int(text[position])], let (token, end) = longestMatch(text, position) else {
        position += 1
        continue
      }
      let matchStart = position
      position = end
      if token.isSingleWord, touchesWord(text, matchStart, end) { continue }
      let start = token.stripsLeft ? max(spaceStart(text, matchStart), covered) : matchStart
      let stop = token.stripsRight ? spaceEnd(text, end) : end
      if covered < start { segments.append(.text(covered..<start)) }
      segments.append(.token(token.identifier))
      covered = stop
    }
    if covered < text.count { segments.append(.text(covered..<text.count)) }
    return segments
  }

  private func longestMatch(_ text: [UInt8], _ start: Int) -> (AddedToken, Int)? {
    var node = 0
    var position = start
    var found: (AddedToken, Int)?
    while position < text.count,
      let child = children[UInt64(node) << 8 | UInt64(text[position])]
    {
      node = child
      position += 1
      if let index = tokenAtNode[node] { found = (tokens[index], position) }
    }
    return found
  }

  private func touchesWord(_ text: [UInt8], _ start: Int, _ end: Int) -> Bool {
    UTF8Text.with(text) { view in
      let before = start > 0 && view.scalar(at: scalarStart(text, before: start)).isWordScalar
      return before || end < text.count && view.scalar(at: end).isWordScalar
    }
  }

  private func spaceStart(_ text: [UInt8], _ end: Int) -> Int {
    UTF8Text.with(text) { view in
      var position = end
      while position > 0 {
        let start = scalarStart(text, before: position)
        if !view.classified(at: start).scalarClass.isSpace { break }
        position = start
      }
      return position
    }
  }

  private func spaceEnd(_ text: [UInt8], _ start: Int) -> Int {
    UTF8Text.with(text) { view in
      var position = start
      while position < text.count {
        let (found, next) = view.classified(at: position)
        if !found.isSpace { break }
        position = next
      }
      return position
    }
  }

  private func scalarStart(_ text: [UInt8], before end: Int) -> Int {
    var start = end - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }
}
