/// The name of a parameter, buffer or activation site: components joined by dots, e.g.
/// `model.layers.3.mlp.down_proj.weight`. The same names appear in checkpoints, recipes, optimizer
/// groups and reports.
public struct ParameterPath: Hashable, Sendable, Codable, ExpressibleByStringLiteral,
  CustomStringConvertible, Comparable
{
  public let name: String

  public init(_ name: String) { self.name = name }
  public init(stringLiteral value: String) { self.init(value) }

  /// The path of something inside this one.
  public func appending(_ component: String) -> ParameterPath {
    ParameterPath(name.isEmpty ? component : name + "." + component)
  }

  /// Whether this is the path of something inside `scope`.
  public func isInside(_ scope: ParameterPath) -> Bool { name.hasPrefix(scope.name + ".") }

  public var description: String { name }
  public static func < (a: ParameterPath, b: ParameterPath) -> Bool { a.name < b.name }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(String.self))
  }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}

/// A pattern over paths. `*` stands for any run of characters, `?` for one; everything else is
/// literal. A pattern without wildcards also matches a whole dotted component run at the end or
/// inside a path, so `lm_head` matches `lm_head.weight` and `mlp` matches
/// `model.layers.0.mlp.up_proj.weight`. A leading `^` ties that run to the beginning of the path:
/// `^conv1` matches `conv1.weight` and not `layer1.0.conv1.weight`. `|` stands between alternatives:
/// `q_proj|k_proj`.
public struct PathPattern: Hashable, Sendable, Codable, ExpressibleByStringLiteral,
  CustomStringConvertible
{
  public let pattern: String

  public init(_ pattern: String) { self.pattern = pattern }
  public init(stringLiteral value: String) { self.init(value) }

  /// Whether the pattern covers the path.
  public func matches(_ path: ParameterPath) -> Bool {
    guard pattern.contains("|") else { return Self.matches(pattern, path) }
    return pattern.split(separator: "|").contains { Self.matches(String($0), path) }
  }

  private static func matches(_ pattern: String, _ path: ParameterPath) -> Bool {
    if pattern.contains(where: { $0 == "*" || $0 == "?" }) {
      return Self.glob(Array(pattern.utf8), Array(path.name.utf8))
    }
    let name = "." + path.name + "."
    return pattern.hasPrefix("^")
      ? name.hasPrefix("." + pattern.dropFirst() + ".") : name.contains("." + pattern + ".")
  }

  /// Wildcard matching with one backtracking point, linear in practice.
  private static func glob(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    var p = 0, t = 0, star = -1, mark = 0
    while t < text.count {
      if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
        star = p
        mark = t
        p += 1
      } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
        p += 1
        t += 1
      } else if star >= 0 {
        p = star + 1
        mark += 1
        t = mark
      } else {
        return false
      }
    }
    while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
    return p == pattern.count
  }

  public var description: String { pattern }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(String.self))
  }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(pattern)
  }
}
