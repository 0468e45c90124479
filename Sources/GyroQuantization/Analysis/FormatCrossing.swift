/// Where two formats are equally good.
public enum FormatCrossing {
  /// The degrees of freedom of Student's t at which two grids, each at its best clip value, have the
  /// same error; below them `heavyTailed` is better, above them `lightTailed` (2208.09225 §3).
  ///
  /// - Returns: nil when one of them is better over the whole range.
  public static func degreesOfFreedom(
    heavyTailed: ScalarGrid, lightTailed: ScalarGrid, in range: ClosedRange<Double> = 2.5...100
  ) -> Double? {
    func gain(_ freedom: Double) -> Double {
      let density = StandardDensity.studentT(freedom)
      return heavyTailed.optimum(on: density).error.decibels
        - lightTailed.optimum(on: density).error.decibels
    }
    var (low, high) = (range.lowerBound, range.upperBound)
    var (atLow, atHigh) = (gain(low), gain(high))
    guard atLow > 0, atHigh < 0 else { return nil }
    // False position in its Illinois form: an end that stays twice counts half.
    var lastMoved = 0
    for _ in 0..<60 {
      let middle = low + (high - low) * atLow / (atLow - atHigh)
      let value = gain(middle)
      if abs(value) < 1e-6 { return middle }
      if value > 0 {
        (low, atLow) = (middle, value)
        if lastMoved == 1 { atHigh /= 2 }
        lastMoved = 1
      } else {
        (high, atHigh) = (middle, value)
        if lastMoved == -1 { atLow /= 2 }
        lastMoved = -1
      }
    }
    return (low + high) / 2
  }
}
