/// The contents of a cache as plain bytes, with what they mean.
public struct CacheSnapshot: Sendable, Equatable, Codable {
  /// The scheme, seeds and shape the bytes were made under.
  public var fingerprint: String
  /// Tokens held.
  public var length: Int
  /// The buffers by name.
  public var parts: [String: [UInt8]]

  public init(fingerprint: String, length: Int, parts: [String: [UInt8]] = [:]) {
    self.fingerprint = fingerprint
    self.length = length
    self.parts = parts
  }

  /// Checks that the bytes are this cache's kind and fit into it.
  public func require(fingerprint expected: String, capacity: Int) throws(CacheError) {
    guard fingerprint == expected else {
      throw .fingerprint(expected: expected, got: fingerprint)
    }
    guard length >= 0, length <= capacity else {
      throw .capacity(capacity, held: 0, added: length)
    }
  }

  /// A buffer of exactly `count` bytes.
  public func part(_ name: String, count: Int) throws(CacheError) -> [UInt8] {
    guard let part = parts[name], part.count == count else {
      throw .snapshot(part: name, expected: count, got: parts[name]?.count)
    }
    return part
  }

  /// Another snapshot's parts under a prefix, as halves of a cache are kept in a whole.
  mutating func add(_ other: CacheSnapshot, as prefix: String) {
    for (name, part) in other.parts { parts[prefix + "." + name] = part }
  }

  /// The parts under a prefix, as a snapshot of their own.
  func half(_ prefix: String, fingerprint: String) -> CacheSnapshot {
    var result = CacheSnapshot(fingerprint: fingerprint, length: length)
    for (name, part) in parts where name.hasPrefix(prefix + ".") {
      result.parts[String(name.dropFirst(prefix.count + 1))] = part
    }
    return result
  }
}
