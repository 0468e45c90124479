/// A regular expression over names of layers, as `targets` and `ignore` hold them after `re:`. It is
/// matched from the beginning of a name, like Python's `re.match`.
///
/// A name is matched in time proportional to its length times that of the expression, whatever the
/// expression is: all ways to go on are followed at once (Thompson 1968). There are literals, `.`,
/// classes, `\d \w \s` and their opposites, groups, `|`, `* + ? {m,n}`, `^` and `$`.
struct TargetExpression {
  enum Step {
    case character(CharacterSet)
    case start, end, match
    case split(Int, Int)
    case jump(Int)
  }

  /// Characters of ASCII, or all but them.
  struct CharacterSet {
    var ranges: [ClosedRange<UInt8>] = []
    var isNegated = false

    func contains(_ byte: UInt8) -> Bool {
      ranges.contains { $0.contains(byte) } != isNegated
    }
  }

  private indirect enum Node {
    case character(CharacterSet)
    case start, end
    case sequence([Node])
    case choice([Node])
    case repetition(Node, least: Int, most: Int?)
  }

  private(set) var steps: [Step] = []
  private let source: String

  private static let limits = (length: 2000, steps: 20_000, depth: 40)

  /// - Throws: ``ExportError/unsupported(file:what:supported:)``.
  init(_ source: String) throws(ExportError) {
    self.source = source
    var parser = Parser(source)
    guard parser.text.count <= Self.limits.length else {
      throw Self.unsupported("its length", source)
    }
    let node = try parser.alternatives(depth: 0)
    guard parser.place == parser.text.count else {
      throw Self.unsupported("')' without '('", source)
    }
    try compile(node)
    steps.append(.match)
  }

  private static func unsupported(_ what: String, _ source: String) -> ExportError {
    .unsupported(
      file: "config.json", what: "\(what) in the expression '\(source.prefix(80))'",
      supported: "literals, classes, groups, |, * + ? {m,n}, ^ and $")
  }

  private mutating func compile(_ node: Node) throws(ExportError) {
    guard steps.count <= Self.limits.steps else { throw Self.unsupported("its length", source) }
    switch node {
    case .character(let set): steps.append(.character(set))
    case .start: steps.append(.start)
    case .end: steps.append(.end)
    case .sequence(let nodes): for node in nodes { try compile(node) }
    case .choice(let nodes):
      var ends: [Int] = []
      for node in nodes.dropLast() {
        let split = steps.count
        steps.append(.match)
        try compile(node)
        ends.append(steps.count)
        steps.append(.match)
        steps[split] = .split(split + 1, steps.count)
      }
      try compile(nodes[nodes.count - 1])
      for end in ends { steps[end] = .jump(steps.count) }
    case .repetition(let node, let least, let most):
      for _ in 0..<least { try compile(node) }
      for _ in 0..<max((most ?? least + 1) - least, 0) {
        let split = steps.count
        steps.append(.match)
        try compile(node)
        if most == nil { steps.append(.jump(split)) }
        steps[split] = .split(split + 1, steps.count)
      }
    }
  }

  // MARK: Parsing

  private struct Parser {
    let source: String
    let text: [UInt8]
    var place = 0

    init(_ source: String) {
      self.source = source
      text = Array(source.utf8)
    }

    private func unsupported(_ what: String) -> ExportError {
      TargetExpression.unsupported(what, source)
    }

    private func next(is character: Unicode.Scalar) -> Bool {
      place < text.count && text[place] == UInt8(ascii: character)
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard next(is: character) else { return false }
      place += 1
      return true
    }

    mutating func alternatives(depth: Int) throws(ExportError) -> Node {
      guard depth < limits.depth else { throw unsupported("so many nested groups") }
      var choices = [try sequence(depth)]
      while take("|") { choices.append(try sequence(depth)) }
      return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func sequence(_ depth: Int) throws(ExportError) -> Node {
      var nodes: [Node] = []
      while place < text.count, !next(is: "|"), !next(is: ")") {
        let node = try atom(depth)
        nodes.append(try repeated(node))
      }
      return .sequence(nodes)
    }

    private mutating func atom(_ depth: Int) throws(ExportError) -> Node {
      let byte = text[place]
      place += 1
      switch Unicode.Scalar(byte) {
      case "(":
        if take("?"), !take(":") { throw unsupported("'(?'") }
        let node = try alternatives(depth: depth + 1)
        guard take(")") else { throw unsupported("'(' without ')'") }
        return node
      case "[": return .character(try characters())
      case ".": return .character(CharacterSet(ranges: [10...10], isNegated: true))
      case "^": return .start
      case "$": return .end
      case "\\": return .character(try escaped())
      case "*", "+", "?": throw unsupported("nothing to repeat")
      default: return .character(CharacterSet(ranges: [byte...byte]))
      }
    }

    private mutating func repeated(_ node: Node) throws(ExportError) -> Node {
      let (least, most): (Int, Int?)
      if take("*") {
        (least, most) = (0, nil)
      } else if take("+") {
        (least, most) = (1, nil)
      } else if take("?") {
        (least, most) = (0, 1)
      } else if next(is: "{") {
        (least, most) = try counts()
      } else {
        return node
      }
      // Which way is tried first makes no difference to whether there is one.
      _ = take("?")
      return .repetition(node, least: least, most: most)
    }

    /// `{m}`, `{m,}` or `{m,n}`.
    private mutating func counts() throws(ExportError) -> (Int, Int?) {
      guard let end = text[place...].firstIndex(of: UInt8(ascii: "}")) else {
        throw unsupported("'{' without '}'")
      }
      let parts = String(decoding: text[(place + 1)..<end], as: UTF8.self)
        .split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
      place = end + 1
      guard let least = Int(parts[0]), (0...1000).contains(least) else {
        throw unsupported("'{\(parts[0])'")
      }
      if parts.count == 1 { return (least, least) }
      if parts[1].isEmpty { return (least, nil) }
      guard let most = Int(parts[1]), (least...1000).contains(most) else {
        throw unsupported("'\(parts[1])}'")
      }
      return (least, most)
    }

    private mutating func escaped() throws(ExportError) -> CharacterSet {
      guard place < text.count else { throw unsupported("'\\' at the end") }
      let byte = text[place]
      place += 1
      let letters: [ClosedRange<UInt8>] = [48...57, 65...90, 95...95, 97...122]
      switch Unicode.Scalar(byte) {
      case "d": return CharacterSet(ranges: [48...57])
      case "D": return CharacterSet(ranges: [48...57], isNegated: true)
      case "w": return CharacterSet(ranges: letters)
      case "W": return CharacterSet(ranges: letters, isNegated: true)
      case "s": return CharacterSet(ranges: [9...13, 32...32])
      case "S": return CharacterSet(ranges: [9...13, 32...32], isNegated: true)
      case _ where byte != 95 && letters.contains { $0.contains(byte) }:
        throw unsupported("'\\\(Character(Unicode.Scalar(byte)))'")
      default: return CharacterSet(ranges: [byte...byte])
      }
    }

    private mutating func characters() throws(ExportError) -> CharacterSet {
      var set = CharacterSet(isNegated: take("^"))
      var isFirst = true
      while place < text.count, isFirst || !next(is: "]") {
        isFirst = false
        let byte = text[place]
        place += 1
        if byte == UInt8(ascii: "\\") {
          let inner = try escaped()
          guard !inner.isNegated else { throw unsupported("a negated class in a class") }
          set.ranges += inner.ranges
        } else if next(is: "-"), place + 1 < text.count, text[place + 1] != UInt8(ascii: "]") {
          guard byte <= text[place + 1] else { throw unsupported("a range that runs backwards") }
          set.ranges.append(byte...text[place + 1])
          place += 2
        } else {
          set.ranges.append(byte...byte)
        }
      }
      guard take("]") else { throw unsupported("'[' without ']'") }
      return set
    }
  }
}

// MARK: Matching

extension TargetExpression {
  /// Whether a name begins with a match.
  func matches(_ name: String) -> Bool {
    let name = Array(name.utf8)
    var now = following([0], 0, name.count)
    for place in 0...name.count {
      if now.contains(where: { if case .match = steps[$0] { true } else { false } }) { return true }
      guard place < name.count else { break }
      let reached = now.filter { index in
        if case .character(let set) = steps[index] { set.contains(name[place]) } else { false }
      }
      now = following(reached.map { $0 + 1 }, place + 1, name.count)
    }
    return false
  }

  /// Steps and all that follow them without a character.
  private func following(_ indices: [Int], _ place: Int, _ end: Int) -> [Int] {
    var isPresent = [Bool](repeating: false, count: steps.count)
    var result: [Int] = []
    var open = indices
    while let index = open.popLast() {
      guard !isPresent[index] else { continue }
      isPresent[index] = true
      switch steps[index] {
      case .jump(let target): open.append(target)
      case .split(let a, let b): open += [b, a]
      case .start: if place == 0 { open.append(index + 1) }
      case .end: if place == end { open.append(index + 1) }
      case .character, .match: result.append(index)
      }
    }
    return result
  }
}
