/// The distinct words of some texts, in order of appearance, and how often each occurs.
struct WordCounts {
  private var table = ByteStringTable(capacity: 1 << 12)
  private(set) var words: [[UInt8]] = []
  private(set) var counts: [Int] = []

  /// Counts the words of `text`, cut by the GPT-2 pattern.
  mutating func count(_ text: String) {
    var pieces = Pieces(Array(text.utf8), startsText: true)
    pieces.split { GPT2Pattern.endOfWord($0, $1, $2) }
    pieces.bytes.withUnsafeBufferPointer { bytes in
      for range in pieces.ranges {
        let word = UnsafeBufferPointer(rebasing: bytes[range])
        if let index = table[word] {
          counts[Int(index)] += 1
        } else {
          table.insert(Array(word), Int32(words.count))
          words.append(Array(word))
          counts.append(1)
        }
      }
    }
  }
}
