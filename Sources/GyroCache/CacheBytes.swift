/// The size of a cache's buffers as allocated, in bytes, by part.
///
/// Sums of several layers count what they share once: `shared` is keyed by what it is.
public struct CacheBytes: Sendable, Equatable, Codable {
  /// Codes of keys and values (for a float cache the numbers themselves).
  public var codes: Int
  /// Norms or radii.
  public var norms: Int
  /// Indices, such as those of outlier channels.
  public var indices: Int
  /// Scales and zero points or minima.
  public var scales: Int
  /// The most recent tokens, kept in float.
  public var window: Int
  /// Sketches, rotations and codebooks that layers and heads have in common.
  public var shared: [String: Int]

  public init(
    codes: Int = 0, norms: Int = 0, indices: Int = 0, scales: Int = 0, window: Int = 0,
    shared: [String: Int] = [:]
  ) {
    self.codes = codes
    self.norms = norms
    self.indices = indices
    self.scales = scales
    self.window = window
    self.shared = shared
  }

  /// Everything that grows with the tokens.
  public var perToken: Int { codes + norms + indices + scales }
  /// Everything but what is shared.
  public var own: Int { perToken + window }
  /// What is shared, each part once.
  public var sharedTotal: Int { shared.values.reduce(0, +) }
  /// All of it.
  public var total: Int { own + sharedTotal }

  /// Bits for each of `elements` numbers, without the window and what is shared.
  public func bitsPerElement(_ elements: Int) -> Double { 8 * Double(perToken) / Double(elements) }

  public static func + (a: CacheBytes, b: CacheBytes) -> CacheBytes {
    CacheBytes(
      codes: a.codes + b.codes, norms: a.norms + b.norms, indices: a.indices + b.indices,
      scales: a.scales + b.scales, window: a.window + b.window,
      shared: a.shared.merging(b.shared) { first, _ in first })
  }

  public static func += (a: inout CacheBytes, b: CacheBytes) { a = a + b }
}
