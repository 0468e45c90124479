import Glibc

/// The values a scalar quantizer can return, in rising order, before scaling; every value goes to
/// the nearest, those beyond the ends to the end.
public struct ScalarGrid: Sendable, Hashable {
  public let levels: [Double]
  /// Halfway between neighbors.
  public let thresholds: [Double]
  /// What a clip value `c` makes the scale from: `scale = c / largest`.
  public let largest: Double

  /// - Precondition: levels in strictly rising order, at least one of them positive.
  public init(levels: [Double]) {
    self.init(levels: levels, largest: levels.last ?? 0)
  }

  private init(levels: [Double], largest: Double) {
    precondition(
      largest > 0 && zip(levels, levels.dropFirst()).allSatisfy { $0 < $1 },
      "ScalarGrid: needs levels in rising order, the last of them positive")
    self.levels = levels
    self.largest = largest
    thresholds = zip(levels, levels.dropFirst()).map { ($0 + $1) / 2 }
  }

  /// The values that a number format rounds to.
  public init(_ format: any NumberFormat) {
    let values = format.values.filter { format.project($0) == $0 }
    self.init(levels: values.map(Double.init), largest: Double(format.largest))
  }

  /// `2^bits` equally spaced levels around zero, none at zero: …, −½, ½, … (mid-rise).
  public static func midRise(bits: Int) -> ScalarGrid {
    let count = 1 << bits
    return ScalarGrid(levels: (0..<count).map { Double($0) + 0.5 - Double(count) / 2 })
  }

  /// The exact error of rounding values of a density to the levels times a scale, those that are
  /// clipped included: cell by cell, `∫ (x − g)² p = E x² + Σ (g² P − 2 g M)` with the mass P and
  /// the mean M of g's cell (2208.09225, appendix A).
  public func error(on density: some Density, scale: Double) -> RoundingError {
    error(on: density, scale: scale) { $0 * scale }
  }

  /// The same when a level stands for some other value in the end.
  func error(
    on density: some Density, scale: Double, value: (_ level: Double) -> Double
  ) -> RoundingError {
    var (squares, products) = (0.0, 0.0)
    var below = PartialMoments(mass: 0, mean: 0)
    for (index, level) in levels.enumerated() {
      let end = index < thresholds.count ? thresholds[index] * scale : .infinity
      let next = density.moments(below: end)
      let cell = next - below
      let value = value(level)
      squares += value * value * cell.mass
      products += value * cell.mean
      below = next
    }
    let power = density.secondMoment
    return RoundingError(
      noise: max(power + squares - 2 * products, 0), correlation: products - power, power: power)
  }

  /// The same with the scale that puts the largest level at `clip`.
  public func error(on density: some Density, clip: Double) -> RoundingError {
    error(on: density, scale: clip / largest)
  }
}

/// What rounding does to a signal `x`, whose rounded value is `x̂`.
public struct RoundingError: Sendable, Hashable, Codable {
  /// `R = E (x̂ − x)²`.
  public let noise: Double
  /// `A = E x (x̂ − x)`: negative where clipping shrinks values.
  public let correlation: Double
  /// `S = E x²`.
  public let power: Double

  /// `10 log10(S / R)`.
  public var decibels: Double { Self.decibels(power / noise) }

  /// `−10 log10 R`, which 2208.09225 prints; it depends on the signal's units.
  public var noiseDecibels: Double { Self.decibels(1 / noise) }

  public static func decibels(_ ratio: Double) -> Double { 10 * log10(ratio) }

  /// The error of one product in a dot product of two independent zero-mean signals, each rounded:
  /// `R_x S_y + R_y S_x + R_x R_y + 2 A_x A_y + 2 R_x A_y + 2 R_y A_x` (2208.09225, appendix A).
  public func dotProduct(with y: RoundingError) -> RoundingError {
    let x = self
    let noise =
      x.noise * y.power + y.noise * x.power + x.noise * y.noise
      + 2 * (x.correlation * y.correlation + x.noise * y.correlation + y.noise * x.correlation)
    let correlation =
      x.correlation * y.correlation + x.correlation * y.power + x.power * y.correlation
    return RoundingError(noise: noise, correlation: correlation, power: x.power * y.power)
  }
}
