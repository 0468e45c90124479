/// A JSON value whose strings are UTF-8 bytes.
///
/// Swift compares strings by canonical equivalence, so a dictionary keyed by `String` would fold
/// tokens such as U+03A9 and U+2126 into one. Bytes keep them apart.
package enum JSONValue: Sendable, Equatable {
  case null
  case boolean(Bool)
  case integer(Int)
  /// A number that is not a whole number of 64 bits, as written.
  case decimal(String)
  case string([UInt8])
  case array([JSONValue])
  case object([JSONMember])

  /// A string value.
  package static func text(_ text: String) -> JSONValue { .string(Array(text.utf8)) }

  /// What this value is, for error messages.
  var summary: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .integer(let value): "the number \(value)"
    case .decimal(let literal): "the number \(literal.prefix(40))"
    case .string(let bytes): "the string \"\(String(decoding: bytes.prefix(80), as: UTF8.self))\""
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object of \(members.count)"
    }
  }
}

/// One key of a JSON object and its value, in file order.
package struct JSONMember: Sendable, Equatable {
  package var key: [UInt8]
  package var value: JSONValue

  package init(_ key: [UInt8], _ value: JSONValue) {
    self.key = key
    self.value = value
  }

  package init(_ key: String, _ value: JSONValue) {
    self.init(Array(key.utf8), value)
  }
}
