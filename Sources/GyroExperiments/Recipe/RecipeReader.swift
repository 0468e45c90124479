import Yams

/// Typed access to one value of a recipe; every failure names file, line and key path.
///
/// It reads Yams' node tree rather than going through `Codable`, because nodes know their lines and
/// strictness needs to see every key.
struct RecipeReader {
  let node: Node
  let file: String
  let keyPath: String
  /// The texts of applied overrides by the key path they replaced.
  let overrides: [String: String]
  /// The line of the key, for values that have no mark of their own.
  let keyLine: Int?

  init(
    _ node: Node, file: String, keyPath: String = "", overrides: [String: String] = [:],
    keyLine: Int? = nil
  ) {
    self.node = node
    self.file = file
    self.keyPath = keyPath
    self.overrides = overrides
    self.keyLine = keyLine
  }

  /// Where this value stands.
  var place: RecipePlace { place(line: keyLine ?? node.mark?.line) }

  private func place(line: Int?) -> RecipePlace {
    // An override covers its path, everything below it, and the mappings it had to create.
    for (path, text) in overrides
    where keyPath == path || keyPath.hasPrefix(path + ".") || keyPath.hasPrefix(path + "[") {
      return RecipePlace(source: .override(text), keyPath: keyPath)
    }
    return RecipePlace(source: .file(file, line: line), keyPath: keyPath)
  }

  private func child(_ node: Node, _ path: String, keyLine: Int?) -> RecipeReader {
    RecipeReader(node, file: file, keyPath: path, overrides: overrides, keyLine: keyLine)
  }

  /// The places of this value and everything inside it.
  var allPlaces: [String: RecipePlace] {
    var places = [keyPath: place]
    switch node {
    case .mapping(let pairs):
      for (key, value) in pairs {
        let name = key.string ?? ""
        let path = keyPath.isEmpty ? name : keyPath + "." + name
        places.merge(child(value, path, keyLine: key.mark?.line).allPlaces) { _, new in new }
      }
    case .sequence(let nodes):
      for (index, value) in nodes.enumerated() {
        let inner = child(value, "\(keyPath)[\(index)]", keyLine: nil)
        places.merge(inner.allPlaces) { _, new in new }
      }
    case .scalar, .alias: break
    }
    return places
  }

  // MARK: Mappings

  /// The members of a mapping whose keys must all be among `known`.
  func mapping(_ known: [String]) throws(RecipeError) -> RecipeMapping {
    guard case .mapping(let pairs) = node else { throw wrongType("a mapping of keys to values") }
    var members: [String: RecipeReader] = [:]
    for (key, value) in pairs {
      let name = key.string ?? ""
      let path = keyPath.isEmpty ? name : keyPath + "." + name
      let member = child(value, path, keyLine: key.mark?.line)
      guard known.contains(name) else {
        let inner = member.place
        throw .unknownKey(
          RecipePlace(source: inner.source, keyPath: keyPath), key: name, known: known)
      }
      members[name] = member
    }
    return RecipeMapping(reader: self, members: members, known: known)
  }

  /// The members of a mapping with names of its author's own choice, in the order of the file.
  func members() throws(RecipeError) -> [(name: String, value: RecipeReader)] {
    guard case .mapping(let pairs) = node else { throw wrongType("a mapping of names to values") }
    return pairs.map { key, value in
      let name = key.string ?? ""
      let path = keyPath.isEmpty ? name : keyPath + "." + name
      return (name, child(value, path, keyLine: key.mark?.line))
    }
  }

  /// The one key of a mapping that has exactly one, and its value.
  func choice(_ known: [String]) throws(RecipeError) -> (key: String, value: RecipeReader) {
    let mapping = try mapping(known)
    guard mapping.members.count == 1, let (key, value) = mapping.members.first else {
      throw .wrongType(
        place, expected: "a mapping with one key (\(known.joined(separator: ", ")))",
        got: "\(mapping.members.count) keys")
    }
    return (key, value)
  }

  // MARK: Lists

  /// The elements of a list.
  func list() throws(RecipeError) -> [RecipeReader] {
    guard case .sequence(let nodes) = node else { throw wrongType("a list") }
    return nodes.enumerated().map { child($1, "\(keyPath)[\($0)]", keyLine: nil) }
  }

  /// One string or a list of them, at least one.
  func strings() throws(RecipeError) -> [String] {
    guard case .sequence = node else { return [try string()] }
    var result: [String] = []
    for element in try list() { result.append(try element.string()) }
    if result.isEmpty { throw .outOfRange(place, expected: "at least one entry", got: "none") }
    return result
  }

  // MARK: Scalars

  private var plain: Node.Scalar? {
    guard case .scalar(let scalar) = node else { return nil }
    return scalar.style == .plain || scalar.style == .any ? scalar : nil
  }

  /// Whether nothing, `null` or `~` stands here.
  var isNull: Bool { plain.map { ["", "~", "null", "Null", "NULL"].contains($0.string) } ?? false }

  func string() throws(RecipeError) -> String {
    guard case .scalar(let scalar) = node, !isNull else { throw wrongType("a text") }
    return scalar.string
  }

  func flag() throws(RecipeError) -> Bool {
    switch plain?.string {
    case "true": return true
    case "false": return false
    default: throw wrongType("true or false")
    }
  }

  func integer(_ range: ClosedRange<Int>) throws(RecipeError) -> Int {
    let expected = "a whole number\(Self.words(range))"
    let digits = plain?.string.replacing("_", with: "") ?? "?"
    guard let value = Int(digits) else { throw wrongType(expected) }
    guard range.contains(value) else {
      throw .outOfRange(place, expected: expected, got: "\(value)")
    }
    return value
  }

  func number(_ range: ClosedRange<Double>) throws(RecipeError) -> Double {
    let expected = "a number\(Self.words(range))"
    guard let text = plain?.string, let value = Double(text), value.isFinite else {
      throw wrongType(expected)
    }
    guard range.contains(value) else { throw .outOfRange(place, expected: expected, got: text) }
    return value
  }

  /// A text that stands for a value.
  /// - Parameter parse: gives nil for a text that stands for nothing.
  func value<Value>(
    _ expected: String, _ parse: (String) -> Value?
  ) throws(RecipeError) -> Value {
    let text = try string()
    guard let value = parse(text) else { throw .outOfRange(place, expected: expected, got: text) }
    return value
  }

  /// One of the names of an enumeration.
  func name<Name: RawRepresentable & CaseIterable>(
    _ what: String, of type: Name.Type = Name.self
  ) throws(RecipeError) -> Name where Name.RawValue == String {
    let text = try name(what, among: Name.allCases.map(\.rawValue))
    return Name(rawValue: text)!
  }

  /// One of the names given.
  func name(_ what: String, among known: [String]) throws(RecipeError) -> String {
    let text = try string()
    guard known.contains(text) else {
      throw .unknownName(place, what: what, got: text, known: known)
    }
    return text
  }

  // MARK: Words

  func wrongType(_ expected: String) -> RecipeError {
    .wrongType(place, expected: expected, got: Self.summary(node))
  }

  private static func words(_ range: ClosedRange<Int>) -> String {
    range.upperBound == .max
      ? " of at least \(range.lowerBound)" : " from \(range.lowerBound) to \(range.upperBound)"
  }

  private static func words(_ range: ClosedRange<Double>) -> String {
    range.upperBound >= .greatestFiniteMagnitude
      ? " of at least \(range.lowerBound)" : " from \(range.lowerBound) to \(range.upperBound)"
  }

  static func summary(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar) where scalar.string.isEmpty: "nothing"
    case .scalar(let scalar): "'\(scalar.string.prefix(60))'"
    case .mapping(let mapping): "a mapping of \(mapping.count) keys"
    case .sequence(let sequence): "a list of \(sequence.count)"
    case .alias: "an alias"
    }
  }
}

/// The members of a mapping whose keys were checked.
struct RecipeMapping {
  let reader: RecipeReader
  let members: [String: RecipeReader]
  let known: [String]

  var place: RecipePlace { reader.place }

  /// The member, or nil when it is absent or null.
  subscript(key: String) -> RecipeReader? {
    assert(known.contains(key), "'\(key)' is read but not among the known keys")
    return members[key].flatMap { $0.isNull ? nil : $0 }
  }

  /// The member, which must be there.
  func required(_ key: String) throws(RecipeError) -> RecipeReader {
    guard let member = self[key] else { throw .missingKey(place, key: key) }
    return member
  }

  func integer(_ key: String, _ range: ClosedRange<Int>, default fallback: Int)
    throws(RecipeError) -> Int
  {
    try self[key]?.integer(range) ?? fallback
  }

  func number(_ key: String, _ range: ClosedRange<Double>, default fallback: Double)
    throws(RecipeError) -> Double
  {
    try self[key]?.number(range) ?? fallback
  }

  func flag(_ key: String, default fallback: Bool) throws(RecipeError) -> Bool {
    try self[key]?.flag() ?? fallback
  }

  func name<Name: RawRepresentable & CaseIterable>(
    _ key: String, _ what: String, default fallback: Name
  ) throws(RecipeError) -> Name where Name.RawValue == String {
    try self[key]?.name(what) ?? fallback
  }
}
