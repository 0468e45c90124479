import Foundation

/// Where numbers lie along an axis, with ticks at round numbers.
struct AxisScale: Equatable {
  enum Extent {
    /// From the round number below the least value to the one above the largest.
    case round
    /// As far as the values go and no further.
    case tight
  }

  let isLogarithmic: Bool
  /// The values at the two ends.
  let low: Double
  let high: Double
  /// Round numbers between them, ascending.
  let ticks: [Double]

  /// - Parameters:
  ///   - values: what must have a place; those that `holds` refuses are passed over.
  ///   - logarithmic: powers of ten (with 2 and 5 between, where the range is short).
  ///   - count: about how many ticks.
  ///   - whole: ticks at whole numbers only.
  init(
    _ values: some Sequence<Double>, logarithmic: Bool = false, extent: Extent = .round,
    count: Int = 6, whole: Bool = false
  ) {
    isLogarithmic = logarithmic
    var (least, largest) = (Double.infinity, -Double.infinity)
    for value in values where Self.holds(value, logarithmic: logarithmic) {
      least = min(least, value)
      largest = max(largest, value)
    }
    if least > largest { (least, largest) = logarithmic ? (1, 10) : (0, 1) }
    ticks =
      logarithmic
      ? Self.powers(&least, &largest, extent)
      : Self.steps(&least, &largest, extent, count, whole)
    (low, high) = (least, largest)
  }

  /// Whether an axis has a place for a value: a number, positive where the axis is logarithmic.
  static func holds(_ value: Double, logarithmic: Bool = false) -> Bool {
    value.isFinite && abs(value) < 1e200 && (!logarithmic || value > 1e-200)
  }

  /// How far along the axis a value lies: 0 at `low`, 1 at `high`.
  func position(_ value: Double) -> Double {
    isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  /// A tick in words: as many places as the ticks need to differ.
  func label(_ tick: Double) -> String {
    let magnitude = max(abs(low), abs(high))
    let step = isLogarithmic ? tick : ticks.count > 1 ? ticks[1] - ticks[0] : high - low
    // Room for rounding: the step itself is exact to a few units in the last place.
    let exponent = (log10(step) + 1e-9).rounded(.down)
    if magnitude >= 1e6 || exponent < -5 {
      let digits = isLogarithmic ? 0 : min(6, max(0, log10(magnitude).rounded(.down) - exponent))
      return PictureText.power(tick, places: Int(digits))
    }
    return PictureText.decimal(tick, places: Int(max(0, -exponent)))
  }

  private static func steps(
    _ low: inout Double, _ high: inout Double, _ extent: Extent, _ count: Int, _ whole: Bool
  ) -> [Double] {
    if high - low <= max(abs(high), abs(low)) * 1e-6 {
      let half = low == 0 ? 0.5 : abs(low) * 0.1
      (low, high) = (low - half, high + half)
    }
    let rough = (high - low) / Double(count)
    let power = pow(10, log10(rough).rounded(.down))
    var step = power * ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10)
    if whole { step = max(step, 1) }
    // A hair of tolerance, so that 0.3 / 0.1 counts as 3.
    var first = (low / step + 1e-9).rounded(.down)
    var last = (high / step - 1e-9).rounded(.up)
    switch extent {
    case .round: (low, high) = (first * step, last * step)
    case .tight:
      first = (low / step - 1e-9).rounded(.up)
      last = (high / step + 1e-9).rounded(.down)
    }
    return stride(from: first, through: last, by: 1).map { $0 * step }
  }

  private static func powers(
    _ low: inout Double, _ high: inout Double, _ extent: Extent
  ) -> [Double] {
    var first = (log10(low) + 1e-9).rounded(.down)
    var last = (log10(high) - 1e-9).rounded(.up)
    if last <= first { last = first + 1 }
    if extent == .round {
      (low, high) = (pow(10, first), pow(10, last))
    } else if high <= low {
      (low, high) = (low / 2, high * 2)
    }
    let every = max(1, ((last - first) / 8).rounded(.up))
    first = (first / every).rounded(.down) * every
    var ticks: [Double] = []
    for exponent in stride(from: first, through: last, by: every) {
      ticks += (last - first <= 2 ? [1, 2, 5] : [1]).map { $0 * pow(10, exponent) }
    }
    return ticks.filter { $0 >= low * (1 - 1e-9) && $0 <= high * (1 + 1e-9) }
  }
}
