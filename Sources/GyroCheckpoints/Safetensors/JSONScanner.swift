/// Walks through JSON (RFC 8259) without building a tree: the caller says what it expects next.
///
/// Unlike common parsers it refuses a key that stands twice in one object, keeps whole numbers
/// whole, and bounds nesting, so a hostile header can neither hide a tensor nor exhaust the stack.
struct JSONScanner {
  static let nestingLimit = 64

  /// Named in every error.
  let file: String
  /// The tensor whose entry is being read, named in errors.
  var tensor: String?
  private let bytes: [UInt8]
  private var position = 0

  /// Begins at the first byte, after making sure that the text is UTF-8.
  init(_ bytes: [UInt8], file: String) throws(CheckpointError) {
    self.bytes = bytes
    self.file = file
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw .malformedHeader(file: file, byte: nil, expected: "UTF-8", found: "other bytes")
    }
  }

  // MARK: Values

  /// Reads an object; `member` must consume each key's value.
  mutating func object(
    _ member: (inout JSONScanner, String) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try take("{", "an object")
    if skip("}") { return }
    var keys: Set<String> = []
    repeat {
      skipSpace()
      let key = try string("a key in quotes")
      if !keys.insert(key).inserted { throw .duplicateName(file: file, name: key) }
      try take(":", "':' after a key")
      try member(&self, key)
    } while skip(",")
    try take("}", "',' or '}' in an object")
  }

  /// Reads an array; `element` must consume each element.
  mutating func array(
    _ element: (inout JSONScanner) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try take("[", "an array")
    if skip("]") { return }
    repeat { try element(&self) } while skip(",")
    try take("]", "',' or ']' in an array")
  }

  /// Reads a whole number, 0 or more, that fits `Int`.
  mutating func count() throws(CheckpointError) -> Int {
    skipSpace()
    let start = position
    try skipNumber()
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Int(text), value >= 0, text != "-0" else {
      throw failure("a whole number from 0 to \(Int.max)", text, at: start)
    }
    return value
  }

  /// Reads a string.
  mutating func string(_ expected: String = "a string") throws(CheckpointError) -> String {
    try take("\"", expected)
    var content: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      if byte < 0x20 { break }
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: content, as: UTF8.self)
      case UInt8(ascii: "\\"): content += try escaped()
      default: content.append(byte)
      }
    }
    throw failure("'\"' at the end of a string", shown)
  }

  /// Passes over any value.
  mutating func skipValue(depth: Int = 0) throws(CheckpointError) {
    guard depth < Self.nestingLimit else {
      throw failure("at most \(Self.nestingLimit) nested values", "more")
    }
    skipSpace()
    switch current {
    case UInt8(ascii: "{"):
      try object { (scanner, _) throws(CheckpointError) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try array { (scanner) throws(CheckpointError) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t"): try take("true", "a value")
    case UInt8(ascii: "f"): try take("false", "a value")
    case UInt8(ascii: "n"): try take("null", "a value")
    default: try skipNumber()
    }
  }

  /// Makes sure that nothing but white space is left.
  mutating func end() throws(CheckpointError) {
    skipSpace()
    if position < bytes.count { throw failure("nothing after the JSON value", shown) }
  }

  // MARK: Parts

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  /// Passes `text` after white space, if it comes next.
  private mutating func skip(_ text: String) -> Bool {
    skipSpace()
    guard bytes[position...].starts(with: text.utf8) else { return false }
    position += text.utf8.count
    return true
  }

  private mutating func take(_ text: String, _ expected: String) throws(CheckpointError) {
    if !skip(text) { throw failure(expected, shown) }
  }

  private mutating func skipNumber() throws(CheckpointError) {
    let start = position
    if current == UInt8(ascii: "-") { position += 1 }
    let leading = position
    try skipDigits()
    if position - leading > 1, bytes[leading] == UInt8(ascii: "0") {
      throw failure("a number without leading zeros", shown, at: start)
    }
    if current == UInt8(ascii: ".") {
      position += 1
      try skipDigits()
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      position += 1
      if current == UInt8(ascii: "-") || current == UInt8(ascii: "+") { position += 1 }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(CheckpointError) {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      position += 1
    }
    if position == start { throw failure("a number", shown) }
  }

  private mutating func escaped() throws(CheckpointError) -> [UInt8] {
    let byte = current
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte!]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800...0xDBFF).contains(code), bytes[position...].starts(with: "\\u".utf8) {
        position += 2
        let low = try hexadecimal()
        guard (0xDC00...0xDFFF).contains(low) else {
          throw failure("the second half of a surrogate pair", "another escape")
        }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw failure("a Unicode scalar", "half a surrogate pair")
      }
      return Array(String(Character(scalar)).utf8)
    default:
      position = min(position, bytes.count) - 1
      throw failure("an escape of JSON", shown)
    }
  }

  private mutating func hexadecimal() throws(CheckpointError) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw failure("four hexadecimal digits", shown) }
    position += 4
    return code
  }

  /// What stands at the present place, for an error.
  private var shown: String {
    guard let byte = current else { return "the end of the text" }
    guard byte >= 0x20, byte < 0x7F else { return "byte \(byte)" }
    return "'\(Character(Unicode.Scalar(byte)))'"
  }

  /// The error for the present place.
  func failure(_ expected: String, _ found: String, at place: Int? = nil) -> CheckpointError {
    let byte = place ?? position
    if let tensor {
      return .malformedTensor(
        file: file, tensor: tensor, expected: expected, found: "\(found) (header byte \(byte))")
    }
    return .malformedHeader(file: file, byte: byte, expected: expected, found: found)
  }
}
