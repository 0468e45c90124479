/// Changes to YAML by its lines and words: values become others, lines move, indentation changes,
/// anchors and brackets appear.
enum TextMutation {
  private static let words = [
    "0", "-1", "1", "3", "2147483648", "9223372036854775807", "9223372036854775808", "1e999",
    ".inf",
    ".nan", "~", "null", "true", "[]", "{}", "[[[[[[[[]]]]]]]]", "&a [*a]", "&a b", "*a", "!!int x",
    "\"\\u0000\"", "|", ">", "'", "int4", "int1", "int17", "group-0", "group-1", "group--1",
    "head-0",
    "group-9223372036854775807", "block-0x0", "mxfp4", "e9m9", "nf4", "? x", "- - -", "%YAML 9.9",
    "<<: *a", "../../x", "/", "a: b: c", "{a: &b [*b, *b]}", "0x10", "1_000", "12e3", "1.5",
  ]

  static func changed(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    guard random.below(8) > 0, !input.isEmpty else {
      return BytesMutation.changed(input, &random)
    }
    if random.below(2) == 0 { return word(input, &random) }
    var lines = input.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
    let place = random.below(lines.count)
    switch random.below(6) {
    case 0: lines.remove(at: place)
    case 1: lines.insert(lines[random.below(lines.count)], at: place)
    case 2: lines.swapAt(place, random.below(lines.count))
    case 3: lines[place].insert(contentsOf: repeatElement(0x20, count: 1 + random.below(4)), at: 0)
    case 4: lines[place].removeFirst(min(2, lines[place].count))
    default:
      let piece = lines[random.range(within: lines.count)]
      lines.insert(contentsOf: piece, at: place)
    }
    return Array(lines.joined(separator: [0x0A]))
  }

  /// Another word where one stands.
  private static func word(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    func isPart(_ byte: UInt8) -> Bool { byte > 0x20 && !",:[]{}".utf8.contains(byte) }
    var bytes = input
    var start = random.below(bytes.count)
    while start < bytes.count, !isPart(bytes[start]) { start += 1 }
    while start > 0, start <= bytes.count, isPart(bytes[start - 1]) { start -= 1 }
    var end = start
    while end < bytes.count, isPart(bytes[end]) { end += 1 }
    bytes.replaceSubrange(start..<end, with: Array(random.element(of: words).utf8))
    return bytes
  }
}
