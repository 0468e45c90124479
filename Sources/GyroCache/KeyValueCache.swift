public import GyroModels
public import GyroTensors

// What attention keeps of the past. A cache is two halves that can be combined freely: keys, which
// answer inner products with queries, and values, which answer weighted sums. Neither half ever
// writes out its keys or values as floats again.

/// Keys and values of one layer's attention, kept in few bits. Attention never materialises a
/// dequantized cache. Llama generates and is evaluated through any of them: each is an
/// `AttentionCache`.
public protocol KeyValueCache: AttentionCache {
  /// Heads, their size, and how many tokens fit.
  var shape: CacheShape { get }
  /// Tokens held.
  var length: Int { get }
  /// Adds tokens: keys and values `[tokens, keyValueHeads · headSize]`, keys after the rotary
  /// embedding. Adding tokens one by one or all at once gives the same cache, bit for bit. A cache
  /// that throws is unchanged.
  mutating func append(keys: Tensor, values: Tensor) throws(CacheError)
  /// Estimates of ⟨q, k⟩, not yet divided by √headSize: `[queries, heads, length]` for queries
  /// `[queries, heads · headSize]`. With more heads than `keyValueHeads`, neighbouring heads share
  /// keys.
  func scores(_ queries: Tensor) throws(CacheError) -> Tensor
  /// Σ w_t v_t: `[queries, heads · headSize]` for weights `[queries, heads, length]`.
  func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor
  /// The buffers actually allocated, by part.
  var bytes: CacheBytes { get }
  /// Everything that decides how the stored bytes are read: scheme, widths, seeds, shape.
  var fingerprint: String { get }
  /// The stored bytes with the fingerprint they were made under.
  var snapshot: CacheSnapshot { get }
  /// Takes the contents of a snapshot made by a cache of the same fingerprint.
  mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError)
  /// The estimator's bias and variance, in words and closed form.
  static var law: String { get }
}

/// What the two halves of a cache have in common.
public protocol CacheHalf: Sendable {
  /// Which of the two it is.
  associatedtype Role: CacheRole
  var shape: CacheShape { get }
  /// Tokens held.
  var length: Int { get }
  /// Throws what `append` would throw, and changes nothing.
  func check(_ rows: Tensor) throws(CacheError)
  /// Adds keys or values `[tokens, keyValueHeads · headSize]`; streaming equals bulk, bit for bit. A
  /// cache that throws is unchanged.
  mutating func append(_ rows: Tensor) throws(CacheError)
  var bytes: CacheBytes { get }
  var fingerprint: String { get }
  var snapshot: CacheSnapshot { get }
  mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError)
  static var law: String { get }
}

/// The half of a cache that answers inner products.
public protocol KeyCache: CacheHalf where Role == KeyRole {
  /// Estimates of ⟨q, k⟩ `[queries, heads, length]` for queries `[queries, heads · headSize]`.
  func scores(_ queries: Tensor) throws(CacheError) -> Tensor
}

/// The half of a cache that answers weighted sums.
public protocol ValueCache: CacheHalf where Role == ValueRole {
  /// Σ w_t v_t `[queries, heads · headSize]` for weights `[queries, heads, length]`.
  func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor
}

/// Keys or values.
public protocol CacheRole: Sendable {
  /// What is held, for messages.
  static var contents: String { get }
}

public enum KeyRole: CacheRole {
  public static var contents: String { "keys" }
}

public enum ValueRole: CacheRole {
  public static var contents: String { "values" }
}

extension CacheHalf {
  /// Shape, room and finite numbers; schemes with narrower ranges check those too.
  public func check(_ rows: Tensor) throws(CacheError) {
    try shape.checkAppended(rows, Role.contents, after: length)
  }
}
