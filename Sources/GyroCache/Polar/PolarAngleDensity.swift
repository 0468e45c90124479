import Glibc
public import GyroQuantization

/// The angle ψ = atan(b/a) between two radii of 2^(level−1) normal coordinates each: density
/// ∝ sin^(2^(level−1) − 1)(2ψ) on [0, π/2] (PolarQuant 2502.02617, lemma 2), here around its mean π/4.
/// Level 1 is the angle of two coordinates, uniform over the circle, around π.
public struct PolarAngleDensity: SmoothDensity, Hashable {
  /// 1 to 4.
  public let level: Int

  /// - Precondition: A level from 1 to 4.
  public init(level: Int) {
    precondition((1...4).contains(level), "PolarAngleDensity: levels are 1 to 4, not \(level)")
    self.level = level
  }

  /// The mean angle, in radians.
  public var center: Double { level == 1 ? Double.pi : Double.pi / 4 }
  /// The largest distance from it.
  public var reach: Double { level == 1 ? Double.pi : Double.pi / 4 }
  public var clips: ClosedRange<Double> { reach / 16...reach }

  /// With u = 2·(ψ − π/4) the density is cos^n(u), n = 1, 3, 7.
  private var power: Int { (1 << (level - 1)) - 1 }

  public var secondMoment: Double {
    if level == 1 { return Double.pi * Double.pi / 3 }
    // u²·cosⁿ(u) over ±π/2: twice by parts, I(n) = (n−1)/n·I(n−2) − 2/n²·∫cosⁿ.
    var n = 1
    var area = 2.0
    var moment = Double.pi * Double.pi / 2 - 4
    while n < power {
      n += 2
      area *= Double(n - 1) / Double(n)
      moment = moment * Double(n - 1) / Double(n) - 2 * area / Double(n * n)
    }
    return moment / area / 4
  }

  public func height(at x: Double) -> Double {
    guard abs(x) <= reach else { return 0 }
    return level == 1 ? 1 / (2 * Double.pi) : 2 * pow(cos(2 * x), Double(power)) / area
  }

  /// ∫ cosⁿ over ±π/2.
  private var area: Double {
    stride(from: 3, through: power, by: 2).reduce(2) { $0 * Double($1 - 1) / Double($1) }
  }

  public func moments(below x: Double) -> PartialMoments {
    if x <= -reach { return PartialMoments(mass: 0, mean: 0) }
    if x >= reach { return PartialMoments(mass: 1, mean: 0) }
    if level == 1 {
      return PartialMoments(
        mass: (x + Double.pi) / (2 * Double.pi),
        mean: (x * x - Double.pi * Double.pi) / (4 * Double.pi))
    }
    // cosⁿ = Σ (sine's polynomial)′: P(u) = ∫cosⁿ is odd, ∫u·cosⁿ = u·P − ∫P.
    let u = 2 * x
    let (sum, integral) = integrals(u), end = integrals(Double.pi / 2)
    let mean = u * sum - integral - (Double.pi / 2 * end.0 - end.1)
    return PartialMoments(mass: 0.5 + sum / area, mean: mean / area / 2)
  }

  /// P(u) = ∫₀ᵘ cosⁿ and ∫₀ᵘ P, for odd n: P is a polynomial in the sine, whose powers integrate by
  /// Σ_k C(m, k) (−1)^k s^(2k+1)/(2k+1) with m = (n−1)/2.
  private func integrals(_ u: Double) -> (Double, Double) {
    let m = (power - 1) / 2
    var (sum, integral, binomial) = (0.0, 0.0, 1.0)
    for k in 0...m {
      let odd = 2 * k + 1
      let factor = binomial * (k % 2 == 0 ? 1 : -1) / Double(odd)
      sum += factor * pow(sin(u), Double(odd))
      integral += factor * integralOfSine(power: odd, u)
      binomial *= Double(m - k) / Double(k + 1)
    }
    return (sum, integral)
  }

  /// ∫₀ᵘ sin^n for odd n: a polynomial in the cosine.
  private func integralOfSine(power n: Int, _ u: Double) -> Double {
    let m = (n - 1) / 2, c = cos(u)
    var (sum, binomial) = (0.0, 1.0)
    for k in 0...m {
      let odd = 2 * k + 1
      sum += binomial * (k % 2 == 0 ? 1 : -1) * (1 - pow(c, Double(odd))) / Double(odd)
      binomial *= Double(m - k) / Double(k + 1)
    }
    return sum
  }
}
