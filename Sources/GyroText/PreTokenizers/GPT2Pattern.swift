/// The word pattern of GPT-2, as a scanner:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
package enum GPT2Pattern {
  /// The pattern's text, by which files name it.
  package static let text =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// The end of the word that begins at `start`.
  @inline(__always)
  static func endOfWord(_ text: UTF8Text, _ start: Int, _ limit: Int) -> Int {
    let contraction = contractionEnd(text, start, limit)
    if contraction > start { return contraction }
    let (first, afterFirst) = text.classified(at: start)
    var runStart = start
    var runClass = first
    if text[start] == 0x20, afterFirst < limit {
      (runClass, _) = text.classified(at: afterFirst)
      runStart = afterFirst
    }
    if !runClass.isSpace { return text.endOfRun(of: runClass, from: runStart, to: limit) }
    return SpaceRun.end(text, start, limit)
  }

  @inline(__always)
  private static func contractionEnd(_ text: UTF8Text, _ start: Int, _ limit: Int) -> Int {
    guard text[start] == UInt8(ascii: "'"), start + 1 < limit else { return start }
    let first = text[start + 1]
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < limit && text[start + 2] == UInt8(ascii: "e") ? start + 3 : start
    case UInt8(ascii: "l"):
      return start + 2 < limit && text[start + 2] == first ? start + 3 : start
    default:
      return start
    }
  }
}

/// The alternatives `\s+(?!\S)|\s+`.
enum SpaceRun {
  /// The end of the run of white space that begins at `start`; where a word follows, a run of two
  /// or more leaves its last scalar to that word.
  static func end(_ text: UTF8Text, _ start: Int, _ limit: Int) -> Int {
    var position = start
    var last = start
    while position < limit {
      let (found, next) = text.classified(at: position)
      if !found.isSpace { return last > start ? last : position }
      last = position
      position = next
    }
    return position
  }
}
