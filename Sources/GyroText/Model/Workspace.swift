/// The memory one encoding reuses from word to word, and the two ways to merge in it.
///
/// Both apply the pair of lowest rank first, the leftmost of equals.
struct Workspace {
  /// Up to this many symbols, finding the best pair by scanning beats keeping a queue.
  static let linearLimit = 40

  var symbols: [Int32] = []
  private var pairRanks: [UInt32] = []
  private var previous: [Int32] = []
  private var next: [Int32] = []
  private var queue = MergeQueue()

  /// Merges ``symbols`` by looking at every pair for each merge.
  mutating func mergeByScanning(_ model: BytePairModel) {
    var count = symbols.count
    guard count > 1 else { return }
    pairRanks.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 {
      pairRanks.append(model.ranks.rank(symbols[index], symbols[index + 1]))
    }
    while count > 1 {
      var best = 0
      var bestRank = PairTable.none
      for index in 0..<count - 1 where pairRanks[index] < bestRank {
        bestRank = pairRanks[index]
        best = index
      }
      if bestRank == PairTable.none { break }
      symbols[best] = model.products[Int(bestRank)]
      count -= 1
      symbols.remove(at: best + 1)
      pairRanks.remove(at: best)
      if best > 0 {
        pairRanks[best - 1] = model.ranks.rank(symbols[best - 1], symbols[best])
      }
      if best < count - 1 {
        pairRanks[best] = model.ranks.rank(symbols[best], symbols[best + 1])
      }
    }
  }

  /// Merges ``symbols`` with a priority queue over a linked list: n log n in their number.
  mutating func mergeByPriority(_ model: BytePairModel) {
    let count = symbols.count
    previous = (0..<count).map { Int32($0 - 1) }
    next = (0..<count).map { $0 + 1 < count ? Int32($0 + 1) : -1 }
    queue.removeAll()
    for index in 0..<max(count - 1, 0) {
      queue.append(rank: model.ranks.rank(symbols[index], symbols[index + 1]), position: index)
    }
    queue.heapify()
    while let (rank, position) = queue.pop() {
      let left = symbols[position]
      let following = Int(next[position])
      guard left >= 0, following >= 0 else { continue }
      guard model.ranks.rank(left, symbols[following]) == rank else { continue }
      let product = model.products[Int(rank)]
      symbols[position] = product
      symbols[following] = -1
      let after = Int(next[following])
      next[position] = Int32(after)
      if after >= 0 {
        previous[after] = Int32(position)
        queue.push(rank: model.ranks.rank(product, symbols[after]), position: position)
      }
      let before = Int(previous[position])
      if before >= 0 {
        queue.push(rank: model.ranks.rank(symbols[before], product), position: before)
      }
    }
    symbols.removeAll { $0 < 0 }
  }
}

/// A binary heap of merges waiting to happen, lowest rank first, then leftmost.
struct MergeQueue {
  private var keys: [UInt64] = []

  mutating func removeAll() { keys.removeAll(keepingCapacity: true) }

  /// Adds without ordering; ``heapify()`` must follow.
  mutating func append(rank: UInt32, position: Int) {
    if rank != PairTable.none { keys.append(UInt64(rank) << 32 | UInt64(position)) }
  }

  mutating func heapify() {
    for index in stride(from: keys.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  mutating func push(rank: UInt32, position: Int) {
    if rank == PairTable.none { return }
    append(rank: rank, position: position)
    var child = keys.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if keys[parent] <= keys[child] { return }
      keys.swapAt(parent, child)
      child = parent
    }
  }

  mutating func pop() -> (rank: UInt32, position: Int)? {
    guard let top = keys.first else { return nil }
    let last = keys.removeLast()
    if !keys.isEmpty {
      keys[0] = last
      sink(0)
    }
    return (UInt32(top >> 32), Int(top & 0xFFFF_FFFF))
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    while true {
      var child = parent * 2 + 1
      if child >= keys.count { return }
      if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
      if keys[parent] <= keys[child] { return }
      keys.swapAt(parent, child)
      parent = child
    }
  }
}
