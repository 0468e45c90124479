public import GyroTensors

/// What a cache is made for.
public struct CacheShape: Sendable, Hashable, Codable, CustomStringConvertible {
  /// Heads with keys and values of their own; query heads are a multiple of them.
  public let keyValueHeads: Int
  /// Elements of one head's key or value.
  public let headSize: Int
  /// The most tokens the cache can hold.
  public let capacity: Int

  /// - Throws: `CacheError.shape` unless all three are positive.
  public init(keyValueHeads: Int, headSize: Int, capacity: Int) throws(CacheError) {
    guard keyValueHeads > 0, headSize > 0, capacity > 0 else {
      throw .shape(keyValueHeads: keyValueHeads, headSize: headSize, capacity: capacity)
    }
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.capacity = capacity
  }

  /// Elements of one token's keys, or values: `keyValueHeads · headSize`.
  public var width: Int { keyValueHeads * headSize }

  public var description: String {
    "\(keyValueHeads) heads of \(headSize), \(capacity) tokens"
  }
}

// What every cache checks before it changes or computes anything.
extension CacheShape {
  /// Checks that a head can be cut into whole units of `multiple` elements.
  public func requireHeadSize(multipleOf multiple: Int, for scheme: String) throws(CacheError) {
    guard headSize.isMultiple(of: multiple) else {
      throw .headSize(headSize, multipleOf: multiple, scheme: scheme)
    }
  }

  /// Checks new keys or values (`what`) against a cache that holds `length` tokens: their shape
  /// `[tokens, keyValueHeads · headSize]`, room for them, and that all are finite.
  /// - Returns: The number of new tokens.
  @discardableResult
  public func checkAppended(
    _ tensor: Tensor, _ what: String, after length: Int
  ) throws(CacheError) -> Int {
    guard tensor.shape.rank == 2, tensor.shape[1] == width else {
      throw .extents(
        what, expected: "[tokens, \(keyValueHeads) heads · \(headSize)]", got: tensor.shape)
    }
    let tokens = tensor.shape[0]
    guard length + tokens <= capacity else {
      throw .capacity(capacity, held: length, added: tokens)
    }
    if let place = tensor.firstPlace(above: .greatestFiniteMagnitude) {
      throw .notFinite(what, token: length + place / width, head: place % width / headSize)
    }
    return tokens
  }

  /// Checks queries `[queries, heads · headSize]`.
  /// - Returns: The number of query heads, a multiple of `keyValueHeads`.
  public func queryHeads(of queries: Tensor) throws(CacheError) -> Int {
    guard queries.shape.rank == 2, queries.shape[1] > 0, queries.shape[1].isMultiple(of: width)
    else {
      throw .extents(
        "queries", expected: "[queries, heads · \(headSize)], heads a multiple of \(keyValueHeads)",
        got: queries.shape)
    }
    return queries.shape[1] / headSize
  }

  /// Checks attention weights `[queries, heads, length]`.
  /// - Returns: The number of query heads, a multiple of `keyValueHeads`.
  public func weightHeads(of weights: Tensor, length: Int) throws(CacheError) -> Int {
    guard weights.shape.rank == 3, weights.shape[1] > 0,
      weights.shape[1].isMultiple(of: keyValueHeads), weights.shape[2] == length
    else {
      throw .extents(
        "weights", expected: "[queries, heads, \(length)], heads a multiple of \(keyValueHeads)",
        got: weights.shape)
    }
    return weights.shape[1]
  }
}

extension Tensor {
  /// The first element that is NaN or larger than `limit` in magnitude.
  func firstPlace(above limit: Float) -> Int? {
    withElements { elements in
      // Magnitudes are ordered like their bits, NaN last: one pass without branches in good cases.
      var largest: Int32 = 0
      for place in 0..<count {
        let bits = Int32(bitPattern: elements[place].bitPattern & 0x7fff_ffff)
        largest = bits > largest ? bits : largest
      }
      if largest <= Int32(bitPattern: limit.bitPattern) { return nil }
      return (0..<count).first { !(abs(elements[$0]) <= limit) }
    }
  }
}
