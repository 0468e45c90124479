extension RangeHistogram {
  /// The closed-form range of the distribution that the histogram shows; moments are those of the
  /// middles of the bins.
  func analyticRange(
    _ distribution: AnalyticClip.Distribution?, bits: Int
  ) -> ClosedRange<Float> {
    let below = negative.reduce(0, +), above = positive.reduce(0, +)
    if below == 0 || above == 0 {
      let side = above > 0 ? positive : negative
      let end = AnalyticClip.oneSidedEnd(
        distribution, bits: bits,
        rootMeanSquare: average(side, below + above) { $0 * $0 }.squareRoot(),
        mean: average(side, below + above) { $0 })
      return above > 0 ? 0...end : -end...0
    }
    let count = Double(total)
    func expectation(_ value: (Double) -> Double) -> Double {
      let sides =
        average(positive, 1) { value($0) } + average(negative, 1) { value(-$0) }
        + Double(zeros) * value(0)
      return sides / count
    }
    let mean = expectation { $0 }
    let variance = expectation { ($0 - mean) * ($0 - mean) }
    return AnalyticClip.range(
      distribution, bits: bits, mean: mean, deviation: variance.squareRoot(),
      meanMagnitude: expectation { abs($0 - mean) })
  }

  private func average(_ counts: [Int], _ total: Int, _ value: (Double) -> Double) -> Double {
    var sum = 0.0
    for (bin, count) in counts.enumerated() where count > 0 {
      sum += Double(count) * value((Double(bin) + 0.5) * Double(width))
    }
    return sum / Double(total)
  }
}
