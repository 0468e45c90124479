/// Rounding to one grid and then to another, as when a checkpoint in one format is converted to
/// another without its float masters (2303.17951 §5).
public struct FormatConversion: Sendable, Hashable {
  public let first: ScalarGrid
  public let second: ScalarGrid

  public init(from first: ScalarGrid, to second: ScalarGrid) {
    self.first = first
    self.second = second
  }

  /// The exact error of the chain: the first grid's cells, with the levels the second grid makes of
  /// the first one's.
  public func error(
    on density: some Density, firstClip: Double, secondClip: Double
  ) -> RoundingError {
    let firstScale = firstClip / first.largest
    let secondScale = secondClip / second.largest
    return first.error(on: density, scale: firstScale) { level in
      second.nearest(to: level * firstScale / secondScale) * secondScale
    }
  }

  /// What converting costs on a density, each grid at the clip value that suits the density best.
  public func study(on density: some Density) -> Study {
    let (one, two) = (first.optimum(on: density), second.optimum(on: density))
    return Study(
      first: one.error, second: two.error,
      chain: error(on: density, firstClip: one.clip, secondClip: two.clip))
  }

  /// The error of each grid alone, from float masters, and of the two in a row.
  public struct Study: Sendable, Hashable {
    public let first: RoundingError
    public let second: RoundingError
    public let chain: RoundingError
    /// How much better the second grid is than the first when both start from float masters.
    public var gain: Double { second.decibels - first.decibels }
  }
}

extension ScalarGrid {
  /// The level nearest to a value; halfway goes to the upper one.
  public func nearest(to value: Double) -> Double {
    var (low, high) = (0, thresholds.count)
    while low < high {
      let middle = (low + high) / 2
      if thresholds[middle] <= value { low = middle + 1 } else { high = middle }
    }
    return levels[low]
  }
}
