/// Reads JSON text (RFC 8259) without ever trapping: nesting is bounded, strings must be valid
/// Unicode, and every problem is reported with its place.
package struct JSONParser {
  /// How deep arrays and objects may nest.
  static let nestingLimit = 128

  private let bytes: [UInt8]
  private var position = 0

  /// The value that `bytes` spell.
  package static func parse(_ bytes: [UInt8]) throws(TokenizerError) -> JSONValue {
    var parser = JSONParser(bytes: bytes)
    if let invalid = firstInvalidUTF8Offset(bytes) {
      throw parser.failure("invalid UTF-8", at: invalid)
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.position = 3 }
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    if parser.position < bytes.count {
      throw parser.failure("more text after the end of the value")
    }
    return value
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
      position += 1
    }
  }

  private mutating func value(depth: Int) throws(TokenizerError) -> JSONValue {
    skipSpace()
    guard let byte = current else { throw failure("the text ends where a value should be") }
    guard depth < Self.nestingLimit else {
      throw failure("arrays and objects nest deeper than \(Self.nestingLimit)")
    }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .boolean(true))
    case UInt8(ascii: "f"): return try literal("false", .boolean(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure("a value cannot begin with \(shown(byte))")
    }
  }

  private mutating func object(depth: Int) throws(TokenizerError) -> JSONValue {
    var members: [JSONMember] = []
    position += 1
    skipSpace()
    if take("}") { return .object(members) }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
      let key = try string()
      skipSpace()
      guard take(":") else { throw failure("expected ':' after a key") }
      members.append(JSONMember(key, try value(depth: depth + 1)))
      skipSpace()
      if take("}") { return .object(members) }
      guard take(",") else { throw failure("expected ',' or '}' in an object") }
    }
  }

  private mutating func array(depth: Int) throws(TokenizerError) -> JSONValue {
    var elements: [JSONValue] = []
    position += 1
    skipSpace()
    if take("]") { return .array(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      if take("]") { return .array(elements) }
      guard take(",") else { throw failure("expected ',' or ']' in an array") }
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard current == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func literal(
    _ name: String, _ value: JSONValue
  ) throws(TokenizerError) -> JSONValue {
    guard bytes[position...].starts(with: name.utf8) else { throw failure("expected \(name)") }
    position += name.utf8.count
    return value
  }

  private mutating func number() throws(TokenizerError) -> JSONValue {
    let start = position
    _ = take("-")
    let leading = position
    try digits()
    if position - leading > 1, bytes[leading] == UInt8(ascii: "0") {
      throw failure("a number cannot begin with 0", at: start)
    }
    var isWhole = true
    if take(".") {
      isWhole = false
      try digits()
    }
    if take("e") || take("E") {
      isWhole = false
      if !take("+") { _ = take("-") }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWhole, let whole = Int(text) { return .integer(whole) }
    return .decimal(text)
  }

  private mutating func digits() throws(TokenizerError) {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      position += 1
    }
    if position == start { throw failure("expected a digit") }
  }

  private mutating func string() throws(TokenizerError) -> [UInt8] {
    position += 1
    var content: [UInt8] = []
    var runStart = position
    while let byte = current {
      if byte == UInt8(ascii: "\"") {
        content.append(contentsOf: bytes[runStart..<position])
        position += 1
        return content
      }
      if byte < 0x20 { throw failure("a control character must be escaped in a string") }
      if byte == UInt8(ascii: "\\") {
        content.append(contentsOf: bytes[runStart..<position])
        position += 1
        content.append(contentsOf: try escapedBytes())
        runStart = position
      } else {
        position += 1
      }
    }
    throw failure("the text ends inside a string")
  }

  private mutating func escapedBytes() throws(TokenizerError) -> [UInt8] {
    guard let byte = current else { throw failure("the text ends inside a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return try escapedScalar()
    default: throw failure("unknown escape \\\(shown(byte))", at: position - 1)
    }
  }

  private mutating func escapedScalar() throws(TokenizerError) -> [UInt8] {
    let first = try fourHexadecimalDigits()
    var code = first
    if (0xD800...0xDBFF).contains(first) {
      guard take("\\"), take("u") else { throw failure("a surrogate without its partner") }
      let second = try fourHexadecimalDigits()
      guard (0xDC00...0xDFFF).contains(second) else {
        throw failure("a surrogate without its partner")
      }
      code = 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else {
      throw failure("a surrogate without its partner")
    }
    return Array(UTF8.encode(scalar)!)
  }

  private mutating func fourHexadecimalDigits() throws(TokenizerError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue,
        byte < 0x80
      else { throw failure("expected four hexadecimal digits after \\u") }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  private func shown(_ byte: UInt8) -> String {
    byte > 0x20 && byte < 0x7F ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
  }

  private func failure(_ problem: String, at offset: Int? = nil) -> TokenizerError {
    let offset = min(offset ?? position, bytes.count)
    let before = bytes[..<offset]
    let line = before.count { $0 == 0x0A } + 1
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    return .invalidJSON(
      line: line, column: offset - lineStart + 1, offset: offset, problem: problem)
  }
}

/// Where `bytes` stop being UTF-8, or nil when they are UTF-8 throughout.
private func firstInvalidUTF8Offset(_ bytes: [UInt8]) -> Int? {
  if String(validating: bytes, as: UTF8.self) != nil { return nil }
  var codec = Unicode.UTF8.ForwardParser()
  var iterator = bytes.makeIterator()
  var offset = 0
  while true {
    switch codec.parseScalar(from: &iterator) {
    case .valid(let scalar): offset += scalar.count
    case .emptyInput, .error: return offset
    }
  }
}
