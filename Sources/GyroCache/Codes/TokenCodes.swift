public import GyroTensors

/// How rows of a cache become codes: what `CodedCache` needs of a scheme.
///
/// A token is encoded as soon as the scheme can: after `calibration` tokens have been seen, in whole
/// groups of `group` tokens, and never while it is one of the `window` newest. Until then it stays a
/// float. How many are encoded follows from the length alone, so streaming equals bulk.
public protocol TokenCodes: Sendable {
  /// Bits, seeds and options.
  associatedtype Scheme: Sendable, Hashable, CustomStringConvertible

  var shape: CacheShape { get }
  var scheme: Scheme { get }

  /// Empty codes with room for `shape.capacity` tokens.
  /// - Throws: `CacheError` when the scheme cannot code heads of this size.
  init(_ shape: CacheShape, _ scheme: Scheme) throws(CacheError)

  /// Tokens that are looked at before the first is encoded; 0 for a scheme that learns nothing.
  var calibration: Int { get }
  /// Tokens that are encoded together.
  var group: Int { get }
  /// Newest tokens that stay floats.
  var window: Int { get }
  /// The largest norm of a head's row, or magnitude of its elements, that can be stored.
  var limit: CodeLimit { get }

  /// Whether `weightedValues` works; some schemes only answer inner products.
  var holdsValues: Bool { get }

  /// Learns from the first tokens `[calibration, heads · headSize]`.
  mutating func calibrate(_ rows: Tensor)
  /// Encodes rows `[tokens, heads · headSize]` as tokens `first …`.
  mutating func encode(_ rows: Tensor, first: Int)
  /// Writes the estimates of ⟨q, k⟩ for the first `tokens` tokens, `stride` from one (query, head)
  /// to the next; queries are `[queries, heads · headSize]`.
  func scores(
    _ queries: Tensor, queryHeads: Int, tokens: Int, into scores: UnsafeMutablePointer<Float>,
    stride: Int)
  /// Σ w_t v_t `[queries, heads · headSize]` over the first `tokens` tokens.
  func weightedValues(
    _ weights: UnsafePointer<Float>, queries: Int, queryHeads: Int, tokens: Int, stride: Int
  ) -> Tensor
  /// What the codes of the first `tokens` tokens stand for, `[tokens, heads · headSize]`.
  func decoded(tokens: Int) -> Tensor

  /// The buffers, window excluded.
  var bytes: CacheBytes { get }
  /// The buffers by name.
  var parts: [String: [UInt8]] { get }
  /// Takes the buffers that `parts` gave.
  mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError)

  /// Bias and variance of an inner product with a coded row.
  static var law: String { get }
}

/// What bounds the numbers a scheme stores.
public enum CodeLimit: Sendable, Hashable {
  /// The norm of a head's row.
  case norm(Float)
  /// The magnitude of each element.
  case magnitude(Float)
}

extension TokenCodes {
  public var calibration: Int { 0 }
  public var group: Int { 1 }
  public var window: Int { 0 }
  public var holdsValues: Bool { true }
  /// What a Float16 holds.
  public var limit: CodeLimit { .norm(65504) }
  public mutating func calibrate(_ rows: Tensor) {}
}
