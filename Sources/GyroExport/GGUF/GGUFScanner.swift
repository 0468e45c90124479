import GyroCheckpoints

/// Reads the head of a file from its start on, never beyond its end, and names the place of what it
/// does not find.
struct GGUFScanner {
  let file: InputFile
  private(set) var position = 0
  private var window: [UInt8] = []
  private var windowStart = 0

  init(_ file: InputFile) { self.file = file }

  /// Bytes from here to the end.
  var remaining: Int { file.byteCount - position }

  func malformed(_ place: String, _ expected: String, _ found: String) -> ExportError {
    .malformed(file: file.path, place: place, expected: expected, found: found)
  }

  /// Makes sure that so many items of at least so many bytes each can follow: no memory is taken on
  /// a count's word.
  mutating func count(_ place: String, itemBytes: Int) throws -> Int {
    let count: UInt64 = try integer(place)
    guard count <= UInt64(remaining / itemBytes) else {
      throw malformed(
        place, "at most \(remaining / itemBytes) items in the \(remaining) bytes that follow",
        "the count \(count)")
    }
    return Int(count)
  }

  mutating func integer<Number: FixedWidthInteger>(_ place: String) throws -> Number {
    var value: Number = 0
    for (index, byte) in try bytes(MemoryLayout<Number>.size, place).enumerated() {
      value |= Number(truncatingIfNeeded: byte) << (8 * index)
    }
    return value
  }

  /// A length, and as many bytes.
  mutating func string(_ place: String) throws -> [UInt8] {
    try bytes(try count(place, itemBytes: 1), place)
  }

  /// A string that must be text.
  mutating func text(_ place: String) throws -> String {
    let bytes = try string(place)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw malformed(place, "UTF-8", "other bytes")
    }
    return text
  }

  mutating func bytes(_ count: Int, _ place: String) throws -> [UInt8] {
    guard count <= remaining else {
      throw malformed(place, "\(count) more bytes", "\(remaining) to the end of the file")
    }
    defer { position += count }
    if count > 1 << 16 { return try file.bytes(at: position, count: count) }
    if position < windowStart || position + count > windowStart + window.count {
      windowStart = position
      window = try file.bytes(at: position, count: min(1 << 17, remaining))
    }
    let start = position - windowStart
    return Array(window[start..<start + count])
  }

  // MARK: Values

  /// A metadata value. Arrays hold numbers or strings; arrays of arrays, which nobody writes, are
  /// refused, so nothing nests.
  mutating func value(_ place: String) throws -> GGUFValue {
    switch try kind(place) {
    case .string: return .string(try string(place))
    case .array: return try array(place)
    case let kind:
      let bytes = try bytes(kind.byteCount!, place)
      return .number(kind, bits: bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
  }

  private mutating func kind(_ place: String) throws -> GGUFKind {
    let raw: UInt32 = try integer(place)
    guard let kind = GGUFKind(rawValue: raw) else {
      throw malformed(place, "a type of value from 0 to 12", "type \(raw)")
    }
    return kind
  }

  private mutating func array(_ place: String) throws -> GGUFValue {
    switch try kind(place) {
    case .array:
      throw malformed(place, "an array of numbers or strings", "an array of arrays")
    case .string:
      let count = try count(place, itemBytes: 8)
      var strings: [[UInt8]] = []
      for _ in 0..<count { strings.append(try string(place)) }
      return .strings(strings)
    case let kind:
      let width = kind.byteCount!
      let count = try count(place, itemBytes: width)
      return .numbers(kind, try bytes(count * width, place))
    }
  }
}
