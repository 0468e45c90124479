/// Turns ids into text as they are generated, giving out only whole characters.
///
/// The pieces it returns, joined, are the text that ``Tokenizer/decode(_:skipSpecialTokens:)``
/// gives for the same ids whenever the bytes among them spell valid text. Bytes that can never
/// become a character are given out as U+FFFD.
public struct TokenStreamDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var steps: [StreamStep]
  private var pending: [UInt8] = []
  private var isFirst = true

  init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    var isFused = false
    self.steps = (tokenizer.parts.decoder.steps ?? []).map { step in
      if case .fuse = step { isFused = true }
      return StreamStep(step, isFused: isFused)
    }
  }

  /// Takes the next id and returns the text that is now certain; it may be empty.
  public mutating func append(_ identifier: Int32) -> String {
    guard
      let token = tokenizer.parts.decodingSpelling(
        of: identifier, skipSpecialTokens: skipsSpecialTokens)
    else { return "" }
    if tokenizer.parts.decoder.steps == nil, !isFirst { pending.append(0x20) }
    let fragment = steps.indices.reduce(token) { steps[$1].take($0, isFirst: isFirst) }
    pending.append(contentsOf: fragment)
    isFirst = false
    return takeWholeScalars()
  }

  /// Ends the stream: what is left comes out, incomplete characters as U+FFFD. The decoder is
  /// then as new.
  public mutating func finish() -> String {
    let rest = steps.indices.reduce([]) { steps[$1].take($0, isFirst: false) + steps[$1].finish() }
    let text = String(decoding: pending + rest, as: UTF8.self)
    self = TokenStreamDecoder(tokenizer, skipsSpecialTokens: skipsSpecialTokens)
    return text
  }

  /// Takes from the pending bytes all but an incomplete scalar at their end.
  private mutating func takeWholeScalars() -> String {
    var end = pending.count
    for length in 1...3 where length <= pending.count {
      let lead = pending[pending.count - length]
      if lead & 0xC0 == 0x80 { continue }
      let tail = Array(pending.suffix(length))
      if lead >= 0xC2, lead < 0xF5, UTF8Text.width(lead: lead) > length,
        mayBecomeScalar(tail)
      {
        end = pending.count - length
      }
      break
    }
    let text = String(decoding: pending[..<end], as: UTF8.self)
    pending.removeFirst(end)
    return text
  }

  /// Whether some continuation makes `tail` one valid scalar: decoders then report one problem
  /// for all of it, not one for each byte.
  private func mayBecomeScalar(_ tail: [UInt8]) -> Bool {
    String(decoding: tail, as: UTF8.self).unicodeScalars.count == 1
  }
}

/// A decoding step that works on one token at a time and keeps what it must in between.
private struct StreamStep: Sendable {
  private let step: TokenDecoder.Step
  private let isFused: Bool
  private var stripsLeft: Int
  private var withheld: [UInt8] = []

  init(_ step: TokenDecoder.Step, isFused: Bool) {
    self.step = step
    self.isFused = isFused
    if case .strip(_, let start, _) = step { stripsLeft = start } else { stripsLeft = 0 }
  }

  /// The certain part of the text so far, with `token` added.
  mutating func take(_ token: [UInt8], isFirst: Bool) -> [UInt8] {
    switch step {
    case .byteLevel:
      return ByteLevelAlphabet.bytes(spelledBy: token) ?? token
    case .byteFallback:
      return ByteFallbackGroups.byte(namedBy: token).map { [$0] } ?? token
    case .fuse:
      return token
    case .strip(let content, _, let stop) where isFused:
      return strippedFragment(token, content, stop: stop)
    case .metaspace, .replace, .strip:
      let decoder = TokenDecoder(steps: [isFirst ? step : step.afterFirst])
      return decoder.text(of: [token])
    }
  }

  /// What was withheld, after its end has been stripped.
  mutating func finish() -> [UInt8] {
    guard isFused, case .strip(let content, _, let stop) = step else { return [] }
    defer { withheld.removeAll() }
    return TokenDecoder(steps: [.strip(content: content, start: 0, stop: stop)])
      .text(of: [withheld])
  }

  /// Strips the start of the whole text once, and holds back what may be stripped from its end.
  private mutating func strippedFragment(
    _ token: [UInt8], _ content: [UInt8], stop: Int
  ) -> [UInt8] {
    var rest = token[...]
    while stripsLeft > 0, !rest.isEmpty {
      if rest.starts(with: content) {
        rest = rest.dropFirst(content.count)
        stripsLeft -= 1
      } else {
        stripsLeft = 0
      }
    }
    withheld.append(contentsOf: rest)
    var tail = withheld[...]
    for _ in 0..<min(stop, withheld.count)
    where tail.reversed().starts(with: content.reversed()) {
      tail = tail.dropLast(content.count)
    }
    let certain = Array(tail)
    withheld.removeFirst(certain.count)
    return certain
  }
}

extension TokenDecoder.Step {
  /// The step as it treats tokens that are not the first.
  fileprivate var afterFirst: TokenDecoder.Step {
    if case .metaspace(let replacement, _) = self {
      return .metaspace(replacement: replacement, dropsFirst: false)
    }
    return self
  }
}
