import GyroText

/// What a cache is called: a family's name and, behind a colon, what differs from its usual options,
/// e.g. `int4`, `turbo:bits=2.5` or `qjl:rows=256,outliers=4`.
///
/// One specification makes the caches of all layers, which share sketches, rotations and codebooks.
public struct CacheSpecification: Sendable, Hashable, CustomStringConvertible {
  /// The name before the colon.
  public let name: String
  /// What was said, by option, as it is printed.
  public let options: [String: String]

  /// Reads a specification.
  /// - Throws: `CacheError.unknown` for names and options that do not exist, `CacheError.option` for
  ///   values that are not allowed.
  public init(_ text: String) throws(CacheError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts.first ?? "")
    guard let family = CacheFamily.named(name) else {
      let known = CacheFamily.names
      throw .unknown(
        "cache", name, nearest: nearestNames(to: name, among: known).first ?? "", known: known)
    }
    var options: [String: String] = [:]
    for piece in parts.count > 1 ? parts[1].split(separator: ",") : [] {
      let halves = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let (key, value) = (String(halves[0]), halves.count > 1 ? String(halves[1]) : "")
      guard let option = family.options.first(where: { $0.name == key }) else {
        let known = family.options.map(\.name)
        throw .unknown(
          "option of \(name)", key, nearest: nearestNames(to: key, among: known).first ?? "",
          known: known)
      }
      guard let canonical = option.canonical(value) else {
        throw .option("\(key) of \(name)", expected: option.expected, got: "'\(value)'")
      }
      guard options[key] == nil else {
        throw .option("\(key) of \(name)", expected: "to be said once", got: "it twice")
      }
      options[key] = canonical
    }
    self.name = name
    self.options = options
    try family.check(CacheSettings(self))
  }

  public var family: CacheFamily { CacheFamily.named(name)! }

  /// The shortest text that reads back as the same specification, options in the family's order.
  public var description: String {
    let said = family.options.compactMap { option -> String? in
      guard let value = options[option.name] else { return nil }
      return value.isEmpty ? option.name : "\(option.name)=\(value)"
    }
    return said.isEmpty ? name : "\(name):\(said.joined(separator: ","))"
  }

  /// An empty cache. To make one for each layer, copy it: copies share what does not depend on tokens.
  /// - Throws: `CacheError` when the family cannot serve heads of this size.
  public func make(_ shape: CacheShape) throws(CacheError) -> any KeyValueCache {
    try family.make(CacheSettings(self), shape)
  }
}

extension CacheSpecification: Codable {
  public init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// A specification's options with the usual ones filled in.
struct CacheSettings {
  let name: String
  private let said: [String: String]
  private let family: CacheFamily

  init(_ specification: CacheSpecification) {
    name = specification.name
    said = specification.options
    family = specification.family
  }

  func text(_ option: String) -> String? {
    said[option] ?? family.options.first { $0.name == option }?.usual
  }
  func whole(_ option: String) -> Int? { text(option).flatMap { Int($0) } }
  func number(_ option: String) -> Double? { text(option).flatMap { Double($0) } }
  func has(_ option: String) -> Bool { said[option] != nil }
  var seed: UInt64 { UInt64(whole("seed") ?? 0) }
}
