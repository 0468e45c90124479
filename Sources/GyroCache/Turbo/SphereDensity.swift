import Glibc
public import GyroQuantization

/// One coordinate of a random unit vector in `dimension` ≥ 3 dimensions: density ∝ (1 − t²)^((d−3)/2)
/// on [−1, 1], nearly normal with variance 1/d (TurboQuant 2504.19874, lemma 1).
public struct SphereDensity: SmoothDensity, Hashable {
  public let dimension: Int

  /// - Precondition: At least three dimensions.
  public init(dimension: Int) {
    precondition(dimension >= 3, "SphereDensity: \(dimension) dimensions; at least 3 are needed")
    self.dimension = dimension
  }

  public var secondMoment: Double { 1 / Double(dimension) }
  public var clips: ClosedRange<Double> { secondMoment.squareRoot() / 4...1 }

  /// Γ(d/2) / (√π Γ((d−1)/2)).
  private var normalizer: Double {
    let half = Double(dimension) / 2
    return exp(lgamma(half).0 - lgamma(half - 0.5).0) / Double.pi.squareRoot()
  }

  public func height(at x: Double) -> Double {
    abs(x) >= 1 ? 0 : normalizer * pow(1 - x * x, Double(dimension - 3) / 2)
  }

  /// t·√(d−1)/√(1−t²) is Student's t with d − 1 degrees of freedom, and t·f(t) is a derivative.
  public func moments(below x: Double) -> PartialMoments {
    if x <= -1 { return PartialMoments(mass: 0, mean: 0) }
    if x >= 1 { return PartialMoments(mass: 1, mean: 0) }
    let freedom = Double(dimension - 1), rest = 1 - x * x
    let mass = StandardDensity.studentT(freedom)
      .moments(below: x * freedom.squareRoot() / rest.squareRoot()).mass
    return PartialMoments(mass: mass, mean: -normalizer * pow(rest, freedom / 2) / freedom)
  }
}
