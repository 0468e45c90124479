/// The steps that turn tokens back into text.
struct TokenDecoder: Sendable {
  /// One step. Steps see a list of strings, at first one for each token.
  enum Step: Sendable {
    case byteLevel
    case metaspace(replacement: [UInt8], dropsFirst: Bool)
    case replace([UInt8], with: [UInt8])
    case byteFallback
    case fuse
    case strip(content: [UInt8], start: Int, stop: Int)
  }

  /// The steps, or nil when tokens are joined by spaces.
  var steps: [Step]?

  /// The text of `tokens`.
  func text(of tokens: [[UInt8]]) -> [UInt8] {
    guard let steps else { return Array(tokens.joined(separator: [0x20])) }
    return Array(steps.reduce(tokens) { Self.apply($1, to: $0) }.joined())
  }

  private static func apply(_ step: Step, to tokens: [[UInt8]]) -> [[UInt8]] {
    switch step {
    case .byteLevel:
      let bytes = tokens.flatMap { ByteLevelAlphabet.bytes(spelledBy: $0) ?? $0 }
      return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
    case .metaspace(let replacement, let dropsFirst):
      return tokens.enumerated().map { index, token in
        token.replacing(bytes: replacement, with: index == 0 && dropsFirst ? [] : [0x20])
      }
    case .replace(let pattern, let content):
      return tokens.map { $0.replacing(bytes: pattern, with: content) }
    case .byteFallback:
      var groups = ByteFallbackGroups()
      return tokens.flatMap { groups.take($0) } + groups.finish()
    case .fuse:
      return [Array(tokens.joined())]
    case .strip(let content, let start, let stop):
      return tokens.map { stripped($0, content, start: start, stop: stop) }
    }
  }

  private static func stripped(
    _ token: [UInt8], _ content: [UInt8], start: Int, stop: Int
  ) -> [UInt8] {
    var rest = token[...]
    for _ in 0..<min(start, token.count) where rest.starts(with: content) {
      rest = rest.dropFirst(content.count)
    }
    for _ in 0..<min(stop, token.count) where rest.reversed().starts(with: content.reversed()) {
      rest = rest.dropLast(content.count)
    }
    return Array(rest)
  }
}

/// Collects tokens such as `<0xE2>` until the bytes they name are known to be text or not.
struct ByteFallbackGroups: Sendable {
  private var pending: [UInt8] = []

  /// The strings that are certain once `token` has come.
  mutating func take(_ token: [UInt8]) -> [[UInt8]] {
    if let byte = Self.byte(namedBy: token) {
      pending.append(byte)
      return []
    }
    return finish() + [token]
  }

  /// The strings of the bytes still waiting: their text, or one replacement character for each.
  mutating func finish() -> [[UInt8]] {
    defer { pending.removeAll() }
    if pending.isEmpty { return [] }
    if String(validating: pending, as: UTF8.self) != nil { return [pending] }
    return pending.map { _ in [0xEF, 0xBF, 0xBD] }
  }

  /// The byte that a token such as `<0x0A>` names.
  static func byte(namedBy token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: [0x3C, 0x30, 0x78]), token[5] == 0x3E else {
      return nil
    }
    let digits = String(decoding: token[3...4], as: UTF8.self)
    return digits.utf8.allSatisfy { $0 != UInt8(ascii: "+") } ? UInt8(digits, radix: 16) : nil
  }
}
