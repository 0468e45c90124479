/// The types of metadata values.
enum GGUFKind: UInt32, Sendable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// Bytes of one number; nil for strings and arrays.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}

/// A metadata value. Strings are bytes, since tokens need not be text; arrays of numbers stay as
/// they are in the file, little-endian.
enum GGUFValue: Equatable, Sendable {
  case number(GGUFKind, bits: UInt64)
  case string([UInt8])
  case strings([[UInt8]])
  case numbers(GGUFKind, [UInt8])

  // MARK: Making values

  static func uint32(_ value: Int) -> GGUFValue {
    .number(.uint32, bits: UInt64(UInt32(truncatingIfNeeded: value)))
  }
  static func float32(_ value: Float) -> GGUFValue {
    .number(.float32, bits: UInt64(value.bitPattern))
  }
  static func bool(_ value: Bool) -> GGUFValue { .number(.bool, bits: value ? 1 : 0) }
  static func text(_ value: String) -> GGUFValue { .string(Array(value.utf8)) }
  static func float32s(_ values: [Float]) -> GGUFValue {
    .numbers(.float32, values.flatMap { littleEndian($0.bitPattern) })
  }
  static func int32s(_ values: [Int]) -> GGUFValue {
    .numbers(.int32, values.flatMap { littleEndian(UInt32(truncatingIfNeeded: $0)) })
  }

  // MARK: Looking at values

  /// A whole number of any integer type; nil when it is beyond `Int`.
  var integer: Int? {
    guard case .number(let kind, let bits) = self else { return nil }
    return Self.integer(kind, bits)
  }

  /// A number of any type.
  var float: Double? {
    guard case .number(let kind, let bits) = self else { return nil }
    return Self.float(kind, bits)
  }

  var flag: Bool? {
    guard case .number(.bool, let bits) = self else { return nil }
    return bits != 0
  }

  var text: String? {
    guard case .string(let bytes) = self else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  var integers: [Int]? {
    guard case .numbers(let kind, let bytes) = self else { return nil }
    let values = Self.bits(kind, bytes).compactMap { Self.integer(kind, $0) }
    return values.count * kind.byteCount! == bytes.count ? values : nil
  }

  var floats: [Float]? {
    guard case .numbers(let kind, let bytes) = self else { return nil }
    return Self.bits(kind, bytes).map { Float(Self.float(kind, $0)) }
  }

  private static func bits(_ kind: GGUFKind, _ bytes: [UInt8]) -> [UInt64] {
    let width = kind.byteCount!
    return stride(from: 0, to: bytes.count, by: width).map { start in
      (0..<width).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[start + $1]) }
    }
  }

  private static func integer(_ kind: GGUFKind, _ bits: UInt64) -> Int? {
    switch kind {
    case .uint8, .uint16, .uint32: Int(bits)
    case .uint64: Int(exactly: bits)
    case .int8: Int(Int8(truncatingIfNeeded: bits))
    case .int16: Int(Int16(truncatingIfNeeded: bits))
    case .int32: Int(Int32(truncatingIfNeeded: bits))
    case .int64: Int(Int64(bitPattern: bits))
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  private static func float(_ kind: GGUFKind, _ bits: UInt64) -> Double {
    switch kind {
    case .float32: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case .float64: Double(bitPattern: bits)
    case .uint64: Double(bits)
    default: Double(integer(kind, bits) ?? 0)
    }
  }

  // MARK: Writing

  /// Type and value as they stand in a file.
  var bytes: [UInt8] {
    switch self {
    case .number(let kind, let bits):
      return littleEndian(kind.rawValue) + littleEndian(bits).prefix(kind.byteCount!)
    case .string(let bytes):
      return littleEndian(GGUFKind.string.rawValue) + Self.counted(bytes)
    case .strings(let strings):
      return Self.arrayHeader(.string, strings.count) + strings.flatMap(Self.counted)
    case .numbers(let kind, let bytes):
      return Self.arrayHeader(kind, bytes.count / kind.byteCount!) + bytes
    }
  }

  private static func arrayHeader(_ kind: GGUFKind, _ count: Int) -> [UInt8] {
    littleEndian(GGUFKind.array.rawValue) + littleEndian(kind.rawValue)
      + littleEndian(UInt64(count))
  }

  /// A string as it stands in a file: its length, then its bytes.
  static func counted(_ bytes: [UInt8]) -> [UInt8] { littleEndian(UInt64(bytes.count)) + bytes }
}

/// The bytes of a number, lowest first.
func littleEndian<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian, Array.init)
}

/// Metadata in the order of the file, each key once.
struct GGUFMetadata: Sendable {
  private(set) var entries: [(key: String, value: GGUFValue)] = []
  private var places: [String: Int] = [:]

  subscript(key: String) -> GGUFValue? { places[key].map { entries[$0].value } }

  /// Adds a value; false when the key is there already.
  @discardableResult
  mutating func add(_ key: String, _ value: GGUFValue) -> Bool {
    guard places[key] == nil else { return false }
    places[key] = entries.count
    entries.append((key, value))
    return true
  }
}
