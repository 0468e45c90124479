import GyroTensors

/// Endless batches of non-overlapping windows. Every epoch visits all windows once in a fresh random
/// order; a batch may span two epochs. Batch `k` follows from the seed and `k` alone, so a resumed
/// run goes on with the batches it would have had.
public struct ShuffledTokenBatches: Sendable, Sequence {
  private let tokens: [Int32]
  private let order: EpochOrder
  private let size: Int, length: Int

  init(
    _ tokens: [Int32], size: Int, length: Int, seed: UInt64, remainder: Remainder
  ) throws(DatasetError) {
    precondition(size > 0 && length > 0, "TokenStream.batches: size \(size), length \(length)")
    guard tokens.count > length else {
      throw .textTooShort(tokens: tokens.count, needed: length + 1)
    }
    var windows = (tokens.count - 1) / length
    if remainder == .kept, (tokens.count - 1) % length != 0 { windows += 1 }
    self.tokens = tokens
    self.size = size
    self.length = length
    order = EpochOrder(count: windows, stream: RandomStream(seed: seed).derived("token windows"))
  }

  /// Windows in an epoch.
  public var windowCount: Int { order.count }

  /// Batches after which every window was seen at least once.
  public var batchesPerEpoch: Int { (windowCount + size - 1) / size }

  /// Batch number `index`, 0 or more.
  public subscript(index: Int) -> TokenBatch {
    precondition(index >= 0, "ShuffledTokenBatches: there is no batch \(index)")
    let starts = (index * size..<(index + 1) * size).map { position in
      Swift.min(order[position] * length, tokens.count - 1 - length)
    }
    return TokenBatch(tokens, starts: starts, length: length)
  }

  /// All batches from number 0 on, without end.
  public func makeIterator() -> AnyIterator<TokenBatch> {
    var next = 0
    return AnyIterator {
      defer { next += 1 }
      return self[next]
    }
  }
}

/// Batches of non-overlapping windows in the order of the text.
public struct SequentialTokenBatches: Sendable, RandomAccessCollection {
  private let tokens: [Int32]
  private let size: Int, length: Int
  private let wholeWindows: Int, rest: Int

  init(
    _ tokens: [Int32], size: Int, length: Int, remainder: Remainder
  ) throws(DatasetError) {
    precondition(
      size > 0 && length > 0, "TokenStream.sequentialBatches: size \(size), length \(length)")
    let needed = remainder == .kept ? 2 : length + 1
    guard tokens.count >= needed else {
      throw .textTooShort(tokens: tokens.count, needed: needed)
    }
    self.tokens = tokens
    self.size = size
    self.length = length
    wholeWindows = (tokens.count - 1) / length
    rest = remainder == .kept ? (tokens.count - 1) % length : 0
  }

  /// Tokens that are predicted in all batches together.
  public var targetCount: Int { wholeWindows * length + rest }

  public var startIndex: Int { 0 }
  public var endIndex: Int { (wholeWindows + size - 1) / size + (rest > 0 ? 1 : 0) }

  public subscript(index: Int) -> TokenBatch {
    precondition(indices.contains(index), "SequentialTokenBatches: there is no batch \(index)")
    let first = index * size
    if first >= wholeWindows {
      return TokenBatch(tokens, starts: [wholeWindows * length], length: rest)
    }
    let starts = (first..<Swift.min(first + size, wholeWindows)).map { $0 * length }
    return TokenBatch(tokens, starts: starts, length: length)
  }
}
