import Glibc

/// The clip of a uniform quantizer in closed form (ACIQ, 1810.05723 §3.1): the minimum over α of
/// `α² / (3 · 4^bits)`, the noise inside, plus the tail's `2 ∫_α^∞ (x − α)² p(x) dx`.
public enum AnalyticClip {
  /// What values are taken to be distributed as.
  public enum Distribution: String, Hashable, Sendable, Codable, CaseIterable {
    case gaussian, laplace
  }

  /// The best clip in units of the distribution's own spread: the standard deviation σ, or Laplace's
  /// `b = E|x − μ|`. A one-sided distribution, such as what a rectifier leaves, has no sign to code:
  /// its clip is that of one bit more.
  public static func clip(
    _ distribution: Distribution, bits: Int, isOneSided: Bool = false
  ) -> Double {
    precondition((1...16).contains(bits), "AnalyticClip: \(bits) bits; use 1 to 16")
    let levels = pow(4, Double(bits + (isOneSided ? 1 : 0)))
    // The derivative of the error, up to a positive factor, rises through zero once.
    var (low, high) = (0.0, 40.0)
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if slope(distribution, middle, levels) < 0 { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  private static func slope(_ distribution: Distribution, _ clip: Double, _ levels: Double)
    -> Double
  {
    switch distribution {
    case .gaussian:
      let density = exp(-clip * clip / 2) / (2 * Double.pi).squareRoot()
      let tail = erfc(clip / 2.0.squareRoot()) / 2
      return clip / (3 * levels) - 2 * (density - clip * tail)
    case .laplace:
      return clip / (3 * levels) - exp(-clip)
    }
  }

  /// Whichever distribution makes the observed spreads likelier: a Gaussian when
  /// `E|x − μ| / σ > √(π / 2e)`.
  public static func fit(deviation: Double, meanMagnitude: Double) -> Distribution {
    meanMagnitude > deviation * (Double.pi / (2 * M_E)).squareRoot() ? .gaussian : .laplace
  }

  /// The range for data of the given moments around their mean.
  /// - Parameters:
  ///   - deviation: σ.
  ///   - meanMagnitude: `E|x − mean|`.
  public static func range(
    _ distribution: Distribution? = nil, bits: Int, mean: Double, deviation: Double,
    meanMagnitude: Double
  ) -> ClosedRange<Float> {
    let chosen = distribution ?? fit(deviation: deviation, meanMagnitude: meanMagnitude)
    let spread = chosen == .gaussian ? deviation : meanMagnitude
    let reach = clip(chosen, bits: bits) * spread
    return Float(mean - reach)...Float(mean + reach)
  }

  /// The upper end for data that are the positive half of a distribution around zero; zeros, which
  /// the rectifier made of the other half, do not count.
  /// - Parameters:
  ///   - rootMeanSquare: `√E[x²]` of the positive values.
  ///   - mean: `E[x]` of the positive values.
  public static func oneSidedEnd(
    _ distribution: Distribution? = nil, bits: Int, rootMeanSquare: Double, mean: Double
  ) -> Float {
    let chosen = distribution ?? fit(deviation: rootMeanSquare, meanMagnitude: mean)
    let spread = chosen == .gaussian ? rootMeanSquare : mean
    return Float(clip(chosen, bits: bits, isOneSided: true) * spread)
  }
}
