/// Remembers, within one text, where each word was first seen and which ids it became.
struct WordCache {
  private struct Entry {
    var hash: UInt32
    var start: Int32
    var count: Int32
    var firstIdentifier: Int32
    var identifierCount: Int32
  }

  /// Longer words are not remembered.
  private static let longestWord = 256
  private static let vacant = Entry(
    hash: 0, start: 0, count: -1, firstIdentifier: 0, identifierCount: 0)
  private var slots: [Entry]
  private var occupied = 0

  /// A cache for a text of `wordCount` words.
  init(wordCount: Int) {
    var size = 16
    while size < min(wordCount, 1 << 16) { size *= 2 }
    slots = Array(repeating: Self.vacant, count: size)
  }

  /// Appends the ids of each of `ranges` of `bytes`, encoding each distinct word once.
  mutating func encode(
    _ bytes: UnsafeBufferPointer<UInt8>, _ ranges: [Range<Int>], with model: BytePairModel,
    into identifiers: inout [Int32], workspace: inout Workspace
  ) {
    let mask = slots.count - 1
    let fits = bytes.count < Int32.max / 2
    for range in ranges {
      let word = UnsafeBufferPointer(rebasing: bytes[range])
      if word.count > Self.longestWord || !fits {
        model.encode(word, into: &identifiers, workspace: &workspace)
        continue
      }
      let hash = ByteHash.hash(word)
      var place = Int(hash) & mask
      var isKnown = false
      while slots[place].count >= 0 {
        let entry = slots[place]
        if entry.hash == hash, Int(entry.count) == word.count {
          let start = Int(entry.start)
          if bytes[start..<start + word.count].elementsEqual(word) {
            isKnown = true
            break
          }
        }
        place = (place + 1) & mask
      }
      let first = identifiers.count
      if isKnown {
        let start = Int(slots[place].firstIdentifier)
        for index in start..<start + Int(slots[place].identifierCount) {
          identifiers.append(identifiers[index])
        }
        continue
      }
      model.encode(word, into: &identifiers, workspace: &workspace)
      if occupied * 4 < slots.count * 3 {
        occupied += 1
        slots[place] = Entry(
          hash: hash, start: Int32(range.lowerBound), count: Int32(word.count),
          firstIdentifier: Int32(first), identifierCount: Int32(identifiers.count - first))
      }
    }
  }
}
