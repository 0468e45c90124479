/// Changes to JSON text by its values: numbers and strings become others, values change places, are
/// doubled, removed, wrapped, or nest deeply.
enum JSONMutation {
  private static let numbers = [
    "0", "-0", "1", "-1", "2", "3", "127", "128", "255", "65536", "2147483647", "2147483648",
    "4294967296", "-9223372036854775808", "9223372036854775807", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "4611686018427387904", "1e308", "1e999",
    "-1e-9",
    "0.5", "1.0", "1e2", "16777215", "16777216", "1000000000000",
  ]
  private static let others = [
    "null", "true", "false", "[]", "{}", "\"\"", "[[]]", "[0]", "[null]", "\"\\ud800\"",
    "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"a/b\"", "\"..\"", "nul", "NaN", "[1,2,3,4,5,6,7,8,9]",
    "{\"type\": \"Sequence\"}", "\"\u{130}\u{FB03}\u{301}\"", "\"\u{2581}\"",
  ]

  static func changed(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    let values = spans(of: input)
    guard !values.isEmpty, random.below(24) > 0 else {
      return BytesMutation.changed(input, &random)
    }
    var bytes = input
    let chosen = random.element(of: values)
    switch random.below(9) {
    case 0, 1:
      bytes.replaceSubrange(chosen, with: Array(random.element(of: numbers).utf8))
    case 2:
      bytes.replaceSubrange(chosen, with: Array(random.element(of: others).utf8))
    case 3, 4:
      let other = random.element(of: values)
      bytes.replaceSubrange(chosen, with: Array(input[other]))
    case 5:
      // Twice, as elements or members would stand.
      let comma = [UInt8(ascii: ",")]
      bytes.insert(contentsOf: comma + input[chosen], at: chosen.upperBound)
    case 6:
      // Gone, with the comma after it.
      var end = chosen.upperBound
      if end < bytes.count, bytes[end] == UInt8(ascii: ",") { end += 1 }
      bytes.removeSubrange(chosen.lowerBound..<end)
    case 7:
      let depth = 1 << random.below(9)
      let (open, close) = random.below(2) == 0 ? ("[", "]") : ("{\"a\":", "}")
      bytes.insert(
        contentsOf: String(repeating: close, count: depth).utf8, at: chosen.upperBound)
      bytes.insert(contentsOf: String(repeating: open, count: depth).utf8, at: chosen.lowerBound)
    default:
      bytes.replaceSubrange(chosen, with: edited(Array(input[chosen]), &random))
    }
    return bytes
  }

  /// A number a little larger or smaller, or a text with one character more.
  private static func edited(_ value: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    if let whole = Int(String(decoding: value, as: UTF8.self)) {
      return Array("\(whole &+ random.below(9) &- 4)".utf8)
    }
    return BytesMutation.changed(value, &random)
  }

  /// Where values (and keys) stand: scalars, and objects and arrays from bracket to bracket.
  private static func spans(of bytes: [UInt8]) -> [Range<Int>] {
    var spans: [Range<Int>] = []
    var opened: [Int] = []
    var position = 0
    while position < bytes.count {
      let start = position
      switch bytes[position] {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        opened.append(position)
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        position += 1
        if let open = opened.popLast() { spans.append(open..<position) }
      case UInt8(ascii: "\""):
        position += 1
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
          position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        position = min(position + 1, bytes.count)
        spans.append(start..<position)
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        while position < bytes.count, isPart(bytes[position]) { position += 1 }
        position = max(position, start + 1)
        spans.append(start..<position)
      default: position += 1
      }
    }
    return spans
  }

  private static func isPart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "E"):
      true
    default: false
    }
  }
}
