import Glibc

extension ScalarGrid {
  /// A clip value and the error it makes.
  public struct Clipping: Sendable, Hashable, Codable {
    /// The value that the grid's largest level takes.
    public let clip: Double
    public let error: RoundingError
  }

  /// The clip value of least mean squared error.
  ///
  /// A float's error has a minimum in every octave, so candidates are scanned evenly on a
  /// logarithmic scale first, and the three best dips refined by golden-section search. Where dips
  /// are equally deep the least clip value wins.
  public func optimum(on density: some Density) -> Clipping {
    let range = density.clips
    let octaves = log2(range.upperBound / range.lowerBound)
    let count = Int((octaves * 16).rounded(.up)) + 1
    let positions = (0..<count).map {
      log2(range.lowerBound) + octaves * Double($0) / Double(count - 1)
    }
    func noise(_ position: Double) -> Double { error(on: density, clip: exp2(position)).noise }
    let scanned = positions.map(noise)
    let dips = scanned.indices.filter { place in
      (place == 0 || scanned[place] < scanned[place - 1])
        && (place == count - 1 || scanned[place] <= scanned[place + 1])
    }.sorted { (scanned[$0], $0) < (scanned[$1], $1) }.prefix(3)
    var best = (position: positions[0], noise: Double.infinity)
    for dip in dips {
      let found = Self.goldenSection(
        positions[max(dip - 1, 0)], positions[min(dip + 1, count - 1)], noise)
      for candidate in [found, (positions[dip], scanned[dip])]
      where candidate.1 < best.noise * (1 - 1e-12) {
        best = (candidate.0, candidate.1)
      }
    }
    let clip = exp2(best.position)
    return Clipping(clip: clip, error: error(on: density, clip: clip))
  }

  /// The least value of a function with one dip in an interval, to 1e-7 in position.
  private static func goldenSection(
    _ low: Double, _ high: Double, _ function: (Double) -> Double
  ) -> (Double, Double) {
    let ratio = (5.0.squareRoot() - 1) / 2
    var (low, high) = (low, high)
    var left = high - ratio * (high - low)
    var right = low + ratio * (high - low)
    var (atLeft, atRight) = (function(left), function(right))
    while high - low > 1e-7 {
      if atLeft <= atRight {
        (high, right, atRight) = (right, left, atLeft)
        left = high - ratio * (high - low)
        atLeft = function(left)
      } else {
        (low, left, atLeft) = (left, right, atRight)
        right = low + ratio * (high - low)
        atRight = function(right)
      }
    }
    return atLeft <= atRight ? (left, atLeft) : (right, atRight)
  }
}
