/// The threshold below which a share of all magnitudes lies (2004.09602 §5.1).
enum PercentileRange {
  /// The lower edge of the first bin at whose end at least `percent` % of the counts are reached,
  /// as NVIDIA's toolkit has it: within one bin below the quantile. At least one width, so that a
  /// stream of almost nothing but zeros keeps a range; nil without counts.
  static func threshold(_ counts: [Int], width: Float, percent: Double) -> Float? {
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    var sum = 0
    for (bin, count) in counts.enumerated() {
      sum += count
      if Double(sum) / Double(total) >= percent / 100 { return Float(max(bin, 1)) * width }
    }
    return Float(counts.count) * width
  }

  /// The range of a histogram that keeps `percent` % of the values: what is cut is shared between
  /// both tails, or lies in the only one.
  static func ends(_ histogram: RangeHistogram, percent: Double) -> ClosedRange<Float> {
    let below = histogram.negative.reduce(0, +)
    let above = histogram.positive.reduce(0, +)
    let cut = (1 - percent / 100) * (below > 0 && above > 0 ? 0.5 : 1) * Double(histogram.total)
    func end(_ side: [Int], _ sideTotal: Int) -> Float {
      guard sideTotal > 0 else { return 0 }
      let inside = max(0, Double(histogram.total) - cut)
      let other = histogram.total - sideTotal
      var sum = other
      for (bin, count) in side.enumerated() {
        sum += count
        if Double(sum) >= inside { return Float(max(bin, 1)) * histogram.width }
      }
      return Float(side.count) * histogram.width
    }
    return -end(histogram.negative, below)...end(histogram.positive, above)
  }

  /// The least value that at least `percent` % of the values do not exceed.
  static func exact(_ values: [Float], percent: Double) -> Float {
    let place = Int((percent / 100 * Double(values.count)).rounded(.up)) - 1
    return values.sorted()[min(max(place, 0), values.count - 1)]
  }

  /// The range that keeps `percent` % of the values and zero, cut as in `ends`.
  static func exactEnds(_ values: [Float], percent: Double) -> ClosedRange<Float> {
    let isOneSided = !values.contains { $0 < 0 } || !values.contains { $0 > 0 }
    let inside = isOneSided ? percent : 50 + percent / 2
    let high = max(exact(values, percent: inside), 0)
    let low = min(-exact(values.map { -$0 }, percent: inside), 0)
    return low...high
  }
}
