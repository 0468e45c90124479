import GyroQuantization

/// The levels for the coordinates of rotated unit vectors: Lloyd–Max for the sphere's marginal at the
/// finite dimension (TurboQuant 2504.19874 §3.1).
public struct TurboCodebook: Sendable, Hashable {
  /// In rising order; 2^bits of them.
  public let levels: [Float]
  /// Halfway between neighbors.
  public let thresholds: [Float]
  /// D_b = E‖x − x̃‖² for unit vectors. ⟨y, x̃⟩ is on average (1 − D_b)⟨y, x⟩, and
  /// D_b ≤ (√3·π/2)·4^(−b), within 2.72 of what any quantizer can reach.
  public let distortion: Double

  /// - Parameter bits: 0 (one level, zero) to 4.
  public init(bits: Int, dimension: Int) {
    let optimum = LloydMax(levels: 1 << bits, of: SphereDensity(dimension: dimension))
    // Symmetric to the last bit, as the density is.
    let levels = optimum.levels
    let symmetric = levels.indices.map { (levels[$0] - levels[levels.count - 1 - $0]) / 2 }
    self.levels = symmetric.map(Float.init)
    thresholds = zip(symmetric, symmetric.dropFirst()).map { Float(($0 + $1) / 2) }
    distortion = bits == 0 ? 1 : optimum.error.noise * Double(dimension)
  }
}
