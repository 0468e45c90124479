import Glibc

/// The threshold whose quantized histogram diverges least from the histogram (2004.09602 §5.1), in
/// NVIDIA's form.
///
/// For each candidate i from 128 to the number of bins: P is the first i bins, with all that lies
/// beyond added to the last; Q cuts the same bins, without what lies beyond, into one group per
/// level and spreads each group's sum evenly over its bins that are not empty. The last candidate
/// with the least KL(P‖Q) wins. The first bin is given the second's count first, so that zeros do
/// not outweigh everything. The method likes multiples of the number of levels, and keeps the whole
/// range when one value in 10⁴ lies far out.
enum EntropyRange {
  static let firstCandidate = 128

  /// The winning number of bins; nil when the counts beyond the first bin are all zero.
  /// - Parameter levels: magnitudes that a quantizer tells apart: `2^(bits−1)` signed, `2^bits` not.
  static func bins(_ counts: [Int], levels: Int) -> Int? {
    guard counts.count > 1 else { return nil }
    var bins = counts.map(Double.init)
    bins[0] = bins[1]
    guard bins.contains(where: { $0 > 0 }) else { return nil }
    var beyond = bins.reduce(0, +)
    let first = min(firstCandidate, bins.count)
    for bin in bins[..<first] { beyond -= bin }
    var best = (divergence: Double.infinity, bins: bins.count)
    bins.withUnsafeBufferPointer { bins in
      for candidate in first...bins.count {
        let divergence = divergence(bins, candidate, beyond: beyond, levels: levels)
        if divergence <= best.divergence { best = (divergence, candidate) }
        if candidate < bins.count { beyond -= bins[candidate] }
      }
    }
    return best.bins
  }

  /// KL(P‖Q) of one candidate; infinite where P has mass and Q has none.
  private static func divergence(
    _ bins: UnsafeBufferPointer<Double>, _ candidate: Int, beyond: Double, levels: Int
  ) -> Double {
    var inside = 0.0
    for bin in 0..<candidate { inside += bins[bin] }
    guard inside > 0 else { return .infinity }
    let scale = inside / (inside + beyond)
    var result = 0.0
    var begin = 0
    for level in 0..<levels where begin < candidate {
      // Bin k belongs to the group ⌊k · levels / candidate⌋.
      let end = ((level + 1) * candidate + levels - 1) / levels
      guard end > begin else { continue }
      var sum = 0.0
      var filled = 0.0
      for bin in begin..<end where bins[bin] > 0 {
        sum += bins[bin]
        filled += 1
      }
      let even = sum / filled
      for bin in begin..<end {
        let mass = bins[bin] + (bin == candidate - 1 ? beyond : 0)
        guard mass > 0 else { continue }
        guard bins[bin] > 0 else { return .infinity }
        result += mass / (inside + beyond) * log(mass / even * scale)
      }
      begin = end
    }
    return result
  }
}
