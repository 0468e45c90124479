/// The word pattern of Llama 3 and Qwen2, as a scanner. The two differ only in how many digits
/// one word may hold:
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|`
/// `\s*[\r\n]+|\s+(?!\S)|\s+`.
package struct ChatPattern {
  /// How many scalars of `\p{N}` a word may hold.
  let digitLimit: Int

  /// The pattern of Llama 3, by which files name it.
  package static let llama3Text = text(digits: #"\p{N}{1,3}"#)

  /// The pattern of Qwen2, by which files name it.
  package static let qwen2Text = text(digits: #"\p{N}"#)

  private static func text(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The end of the word that begins at `start`.
  @inline(__always)
  func endOfWord(_ text: UTF8Text, _ start: Int, _ limit: Int) -> Int {
    let contraction = contractionEnd(text, start, limit)
    if contraction > start { return contraction }

    let (first, afterFirst) = text.classified(at: start)
    if first == .letter { return text.endOfRun(of: .letter, from: afterFirst, to: limit) }
    if first == .number {
      return text.endOfRun(of: .number, from: start, to: limit, limit: digitLimit)
    }
    let second = afterFirst < limit ? text.classified(at: afterFirst).scalarClass : nil
    if first != .newline, second == .letter {
      return text.endOfRun(of: .letter, from: afterFirst, to: limit)
    }
    if first == .other || text[start] == 0x20 && second == .other {
      let symbolsEnd = text.endOfRun(of: .other, from: afterFirst, to: limit)
      return text.endOfRun(of: .newline, from: symbolsEnd, to: limit)
    }
    return lastNewlineEnd(text, start, limit) ?? SpaceRun.end(text, start, limit)
  }

  /// The end of the last line break in the run of white space at `start`: `\s*[\r\n]+`.
  private func lastNewlineEnd(_ text: UTF8Text, _ start: Int, _ limit: Int) -> Int? {
    var position = start
    var end: Int?
    while position < limit {
      let (found, next) = text.classified(at: position)
      if !found.isSpace { break }
      if found == .newline { end = next }
      position = next
    }
    return end
  }

  /// The end of `(?i:'s|'t|'re|'ve|'m|'ll|'d)`. Ignoring case, U+017F (long s) is an s.
  @inline(__always)
  private func contractionEnd(_ text: UTF8Text, _ start: Int, _ limit: Int) -> Int {
    guard text[start] == UInt8(ascii: "'"), start + 1 < limit else { return start }
    switch text[start + 1] | 0x20 {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < limit && text[start + 2] | 0x20 == UInt8(ascii: "e") ? start + 3 : start
    case UInt8(ascii: "l"):
      return start + 2 < limit && text[start + 2] | 0x20 == UInt8(ascii: "l") ? start + 3 : start
    case 0xC5 | 0x20:
      let isLongS = text[start + 1] == 0xC5 && start + 2 < limit && text[start + 2] == 0xBF
      return isLongS ? start + 3 : start
    default:
      return start
    }
  }
}
