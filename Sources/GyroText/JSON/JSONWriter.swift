/// Spells JSON values, two spaces per level; short leaf arrays stay on one line.
package struct JSONWriter {
  private var output: [UInt8] = []

  /// The text of `value`, with a final newline.
  package static func write(_ value: JSONValue) -> [UInt8] {
    var writer = JSONWriter()
    writer.append(value, indentation: 0)
    writer.append("\n")
    return writer.output
  }

  private mutating func append(_ text: String) { output.append(contentsOf: text.utf8) }

  private mutating func append(_ value: JSONValue, indentation: Int) {
    switch value {
    case .null: append("null")
    case .boolean(let flag): append(flag ? "true" : "false")
    case .integer(let number): append(String(number))
    case .decimal(let literal): append(literal)
    case .string(let bytes): append(quoted: bytes)
    case .array(let elements): append(elements, indentation: indentation)
    case .object(let members): append(members, indentation: indentation)
    }
  }

  private mutating func append(_ elements: [JSONValue], indentation: Int) {
    let staysOnOneLine = elements.allSatisfy { element in
      switch element {
      case .array, .object: false
      default: true
      }
    }
    append("[")
    for (index, element) in elements.enumerated() {
      if index > 0 { append(staysOnOneLine ? ", " : ",") }
      if !staysOnOneLine { newline(indentation + 1) }
      append(element, indentation: indentation + 1)
    }
    if !staysOnOneLine { newline(indentation) }
    append("]")
  }

  private mutating func append(_ members: [JSONMember], indentation: Int) {
    append("{")
    for (index, member) in members.enumerated() {
      if index > 0 { append(",") }
      newline(indentation + 1)
      append(quoted: member.key)
      append(": ")
      append(member.value, indentation: indentation + 1)
    }
    if !members.isEmpty { newline(indentation) }
    append("}")
  }

  private mutating func newline(_ indentation: Int) {
    output.append(0x0A)
    output.append(contentsOf: repeatElement(0x20, count: indentation * 2))
  }

  private mutating func append(quoted bytes: [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        output.append(UInt8(ascii: "\\"))
        output.append(byte)
      case ..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        append("\\u00")
        output.append(digits[Int(byte >> 4)])
        output.append(digits[Int(byte & 15)])
      default:
        output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
