import Glibc

/// The distributions of textbooks and of 2208.09225 §3, each in its usual units: the signal power
/// differs, and a ratio of powers does not depend on it.
public enum StandardDensity: Sendable, Hashable, SmoothDensity {
  /// From −1 to 1; power 1/3.
  case uniform
  /// Mean 0, deviation 1.
  case gaussian
  /// `½ e^(−|x|)`; power 2.
  case laplace
  /// Student's t with more than 2 degrees of freedom ν; power ν / (ν − 2). The lower ν, the heavier
  /// the tails: 5 to 8 resemble activations with outliers.
  case studentT(Double)

  /// For tables and keys: `uniform`, `gaussian`, `laplace`, `t8`.
  public var name: String {
    switch self {
    case .uniform: "uniform"
    case .gaussian: "gaussian"
    case .laplace: "laplace"
    case .studentT(let freedom): freedom == freedom.rounded() ? "t\(Int(freedom))" : "t\(freedom)"
    }
  }

  public var secondMoment: Double {
    switch self {
    case .uniform: 1.0 / 3
    case .gaussian: 1
    case .laplace: 2
    case .studentT(let freedom): freedom / (freedom - 2)
    }
  }

  public var clips: ClosedRange<Double> {
    if case .uniform = self { return 0.25...4 }
    let deviation = secondMoment.squareRoot()
    return deviation / 4...deviation * 2048
  }

  public func height(at x: Double) -> Double {
    switch self {
    case .uniform: abs(x) <= 1 ? 0.5 : 0
    case .gaussian: exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    case .laplace: exp(-abs(x)) / 2
    case .studentT(let freedom): StudentT.height(x, freedom)
    }
  }

  public func moments(below x: Double) -> PartialMoments {
    switch self {
    case .uniform:
      let end = min(max(x, -1), 1)
      return PartialMoments(mass: (end + 1) / 2, mean: (end * end - 1) / 4)
    case .gaussian:
      return PartialMoments(mass: erfc(-x / 2.0.squareRoot()) / 2, mean: -height(at: x))
    case .laplace:
      let tail = height(at: x)
      return PartialMoments(
        mass: x < 0 ? tail : 1 - tail, mean: abs(x) < .infinity ? -(1 + abs(x)) * tail : 0)
    case .studentT(let freedom):
      return PartialMoments(
        mass: StudentT.mass(below: x, freedom), mean: StudentT.mean(below: x, freedom))
    }
  }
}

/// Closed forms of Student's t.
enum StudentT {
  static func height(_ x: Double, _ freedom: Double) -> Double {
    normalizer(freedom) * pow(1 + x * x / freedom, -(freedom + 1) / 2)
  }

  /// The regularized incomplete beta function at `ν / (ν + x²)`, half of it on each side.
  static func mass(below x: Double, _ freedom: Double) -> Double {
    if x == 0 { return 0.5 }
    let tail = x.isInfinite ? 0 : halfBeta(freedom / (freedom + x * x), freedom / 2)
    return x < 0 ? tail / 2 : 1 - tail / 2
  }

  /// `x p(x)` is the derivative of `−C ν/(ν−1) (1 + x²/ν)^(−(ν−1)/2)`.
  static func mean(below x: Double, _ freedom: Double) -> Double {
    -normalizer(freedom) * freedom / (freedom - 1)
      * pow(1 + x * x / freedom, -(freedom - 1) / 2)
  }

  private static func normalizer(_ freedom: Double) -> Double {
    exp(logGamma((freedom + 1) / 2) - logGamma(freedom / 2)) / (freedom * Double.pi).squareRoot()
  }

  private static func logGamma(_ x: Double) -> Double { lgamma(x).0 }

  /// `I_x(a, ½)`, by the continued fraction of DLMF 8.17.22 on the side where it converges fast.
  private static func halfBeta(_ x: Double, _ a: Double) -> Double {
    let logFront = a * log(x) + 0.5 * log1p(-x) + logGamma(a + 0.5) - logGamma(a) - logGamma(0.5)
    let front = exp(logFront)
    if x < (a + 1) / (a + 2.5) { return front * fraction(x, a, 0.5) / a }
    return 1 - front * fraction(1 - x, 0.5, a) / 0.5
  }

  /// Lentz's evaluation of the continued fraction of `I_x(a, b)`.
  private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    let tiny = 1e-300
    var numerator = 1.0
    var denominator = 1 / nonZero(1 - (a + b) * x / (a + 1))
    var value = denominator
    for term in 1...500 {
      let m = Double(term)
      for even in [true, false] {
        let factor =
          even
          ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
          : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        denominator = 1 / nonZero(1 + factor * denominator)
        numerator = nonZero(1 + factor / numerator)
        value *= numerator * denominator
      }
      if abs(numerator * denominator - 1) < 1e-16 { break }
    }
    return value

    func nonZero(_ x: Double) -> Double { abs(x) < tiny ? tiny : x }
  }
}
