import Glibc

/// How the rows of a sketch are drawn. Each row has length √columns on average.
public enum SketchKind: String, Sendable, Hashable, Codable, CaseIterable {
  /// Independent normal entries: the sketch of the analysis in QJL (2406.03482 §3).
  case gaussian
  /// Normal rows made orthogonal in blocks of `columns` rows, each of length √columns (QJL §4).
  case orthogonal
  /// Rows of three random-sign Hadamard transforms one after another, of length √columns: orthogonal
  /// in blocks like `orthogonal`, and with the same statistics to a few percent. One transform alone
  /// would not do: it maps a key with a single large channel to signs that do not vary.
  case hadamard

  /// Whether rows of a block are orthogonal.
  public var isOrthogonal: Bool { self != .gaussian }

  /// What the estimator √(π/2)/m · ‖k‖ · ⟨Sq, sign(Sk)⟩ is on average, in units of ⟨q, k⟩.
  ///
  /// 1 for normal rows. For rows of length √d in uniform directions it is
  /// β_d = √(π/2) · √d · Γ(d/2) / (√π Γ((d + 1)/2)) ≈ 1 + 1/(4d).
  public func bias(columns d: Int) -> Double {
    guard isOrthogonal else { return 1 }
    let half = Double(d) / 2
    return (half).squareRoot() * exp(lgamma(half) - lgamma(half + 0.5))
  }

  /// The variance of the estimator with m rows for unit vectors at this cosine, before any
  /// correction of its bias: (π/2 − cos²)/m for normal rows, less for orthogonal ones, whose errors
  /// partly cancel within a block.
  public func variance(rows m: Int, columns d: Int, cosine: Double) -> Double {
    let (square, rows, size) = (cosine * cosine, Double(m), Double(d))
    guard isOrthogonal else { return (.pi / 2 - square) / rows }
    let inBlock = Double(min(m, d))
    let beta = bias(columns: d)
    // Pairs of rows of one block: their products are −sin²/(d − 1) + cos² on average.
    let pairs = (inBlock - 1) / inBlock
    let block =
      .pi / 2 / inBlock - pairs * (1 - square) / (size - 1) + square * (pairs - beta * beta)
    return block * inBlock / rows
  }
}
