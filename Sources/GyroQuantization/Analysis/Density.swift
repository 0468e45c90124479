/// How values are spread over the line, as far as the error of a grid depends on it: the mass and
/// the mean that lie below any point. Data are a density too (``EmpiricalDensity``), so one engine
/// measures distributions on paper and tensors.
public protocol Density: Sendable {
  /// `E x²`: the signal's power.
  var secondMoment: Double { get }
  /// `P(X < x)` and `∫_{−∞}^x t p(t) dt`; at infinity 1 and the mean.
  func moments(below x: Double) -> PartialMoments
  /// Clip values worth trying, from far too small to far too large.
  var clips: ClosedRange<Double> { get }
}

/// A density whose height is known at every point.
public protocol SmoothDensity: Density {
  func height(at x: Double) -> Double
}

/// What lies below a point.
public struct PartialMoments: Sendable, Hashable {
  public var mass: Double
  public var mean: Double

  public init(mass: Double, mean: Double) {
    self.mass = mass
    self.mean = mean
  }

  static func - (a: Self, b: Self) -> Self {
    Self(mass: a.mass - b.mass, mean: a.mean - b.mean)
  }
}
