/// How often each pair of neighbouring tokens occurs in a set of counted words, kept current while
/// pairs are merged: a merge touches only the words that hold the pair.
struct PairCounts {
  private struct Pair {
    var count = 0
    /// The words that hold the pair, or held it once.
    var words: [Int32] = []
  }

  private var symbols: [Int32] = []
  private var starts: [Int] = []
  private var lengths: [Int] = []
  private var wordCounts: [Int]
  private var pairs: [Pair] = []
  private var indices: [UInt64: Int] = [:]
  private var queue = PairQueue()

  /// The pairs of `words`, each byte spelled as the token `symbol` gives for it.
  init(_ words: WordCounts, symbol: (UInt8) -> Int32) {
    wordCounts = words.counts
    let symbolOfByte = (0..<256).map { symbol(UInt8($0)) }
    for (index, word) in words.words.enumerated() {
      let start = symbols.count
      starts.append(start)
      lengths.append(word.count)
      symbols.append(contentsOf: word.map { symbolOfByte[Int($0)] })
      for position in start..<max(symbols.count - 1, start) {
        let key = PairTable.pack(symbols[position], symbols[position + 1])
        change(key, by: wordCounts[index], word: index)
      }
    }
    for (key, index) in indices { queue.push(count: pairs[index].count, pair: key) }
  }

  /// The most frequent pair, of equals the one with the lowest ids; nil when none occurs
  /// `minimum` times.
  mutating func takeMostFrequent(atLeast minimum: Int) -> (left: Int32, right: Int32)? {
    while let (count, key) = queue.pop() {
      let current = pairs[indices[key]!].count
      if count != current {
        if current > 0 { queue.push(count: current, pair: key) }
        continue
      }
      if current < max(minimum, 1) { return nil }
      let left = UInt32(truncatingIfNeeded: key >> 32)
      return (Int32(bitPattern: left), Int32(truncatingIfNeeded: key))
    }
    return nil
  }

  /// Replaces the pair by `product` in every word.
  mutating func merge(_ left: Int32, _ right: Int32, into product: Int32) {
    guard let index = indices[PairTable.pack(left, right)] else { return }
    let words = pairs[index].words
    pairs[index].words = []
    var grown: Set<UInt64> = []
    for word in words {
      merge(left, right, into: product, inWord: Int(word), grown: &grown)
    }
    pairs[index].count = 0
    for key in grown {
      let count = pairs[indices[key]!].count
      if count > 0 { queue.push(count: count, pair: key) }
    }
  }

  private mutating func merge(
    _ left: Int32, _ right: Int32, into product: Int32, inWord word: Int,
    grown: inout Set<UInt64>
  ) {
    let start = starts[word]
    let end = start + lengths[word]
    let count = wordCounts[word]
    var read = start
    var write = start
    while read < end {
      guard symbols[read] == left, read + 1 < end, symbols[read + 1] == right else {
        symbols[write] = symbols[read]
        read += 1
        write += 1
        continue
      }
      if write > start {
        let before = symbols[write - 1]
        change(PairTable.pack(before, left), by: -count, word: word)
        grown.insert(change(PairTable.pack(before, product), by: count, word: word))
      }
      if read + 2 < end {
        let after = symbols[read + 2]
        change(PairTable.pack(right, after), by: -count, word: word)
        grown.insert(change(PairTable.pack(product, after), by: count, word: word))
      }
      symbols[write] = product
      read += 2
      write += 1
    }
    lengths[word] = write - start
  }

  @discardableResult
  private mutating func change(_ key: UInt64, by amount: Int, word: Int) -> UInt64 {
    let index: Int
    if let known = indices[key] {
      index = known
    } else {
      index = pairs.count
      indices[key] = index
      pairs.append(Pair())
    }
    pairs[index].count += amount
    if amount > 0, pairs[index].words.last != Int32(word) {
      pairs[index].words.append(Int32(word))
    }
    return key
  }
}

/// A binary heap of pairs, most frequent first, of equals the lowest pair first.
private struct PairQueue {
  private var items: [(count: Int, pair: UInt64)] = []

  private static func precedes(
    _ first: (count: Int, pair: UInt64), _ second: (count: Int, pair: UInt64)
  ) -> Bool {
    first.count != second.count ? first.count > second.count : first.pair < second.pair
  }

  mutating func push(count: Int, pair: UInt64) {
    items.append((count, pair))
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if !Self.precedes(items[child], items[parent]) { return }
      items.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> (count: Int, pair: UInt64)? {
    guard let top = items.first else { return nil }
    let last = items.removeLast()
    if items.isEmpty { return top }
    items[0] = last
    var parent = 0
    while true {
      var child = parent * 2 + 1
      if child >= items.count { return top }
      if child + 1 < items.count, Self.precedes(items[child + 1], items[child]) { child += 1 }
      if !Self.precedes(items[child], items[parent]) { return top }
      items.swapAt(parent, child)
      parent = child
    }
  }
}
