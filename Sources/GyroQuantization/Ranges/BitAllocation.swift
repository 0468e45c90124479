import Glibc

/// How many bits each channel gets when the number of quantization bins is shared (ACIQ,
/// 1810.05723 §4.2): bins in proportion to the two-thirds power of a channel's spread minimize the
/// sum of `spread² / 4^bits`.
public enum BitAllocation {
  /// Bits per channel, at most `channels · 2^average` bins in all.
  ///
  /// Starts from `⌊log2(bins · σᵢ^⅔ / Σσ^⅔)⌋` and gives what is left to the channels where a bit
  /// takes away the most error per bin. Channels without spread get the least.
  /// - Parameters:
  ///   - spreads: σ or half the range of each channel; not negative.
  ///   - average: the bits that each channel would have alike.
  ///   - limits: the least and the most bits of a channel.
  public static func bits(
    spreads: [Double], average: Int, limits: ClosedRange<Int> = 1...8
  ) -> [Int] {
    precondition(
      limits.contains(average) && limits.lowerBound >= 0,
      "BitAllocation: an average of \(average) bits is outside \(limits)")
    precondition(
      spreads.allSatisfy { $0 >= 0 && $0.isFinite },
      "BitAllocation: spreads are finite and not negative")
    let shares = spreads.map { pow($0, 2.0 / 3) }
    let sum = shares.reduce(0, +)
    guard sum > 0 else { return spreads.map { _ in average } }
    let budget = spreads.count << average
    var bits = shares.map { share in
      let bins = Double(budget) * share / sum
      // Rounding must not take a bit from a share that is a power of two.
      let whole = bins > 0 ? Int(log2(bins * (1 + 1e-12)).rounded(.down)) : limits.lowerBound
      return min(max(whole, limits.lowerBound), limits.upperBound)
    }
    var used = bits.reduce(0) { $0 + 1 << $1 }
    while used > budget, let channel = leastLoss(spreads, bits, limits) {
      bits[channel] -= 1
      used -= 1 << bits[channel]
    }
    while let channel = mostGain(spreads, bits, limits, room: budget - used) {
      used += 1 << bits[channel]
      bits[channel] += 1
    }
    return bits
  }

  /// The error that the last bit of a channel takes away, per bin.
  private static func gain(_ spread: Double, _ bits: Int) -> Double {
    spread * spread / pow(4, Double(bits)) / Double(1 << bits)
  }

  private static func mostGain(
    _ spreads: [Double], _ bits: [Int], _ limits: ClosedRange<Int>, room: Int
  ) -> Int? {
    spreads.indices
      .filter { spreads[$0] > 0 && bits[$0] < limits.upperBound && 1 << bits[$0] <= room }
      .max { gain(spreads[$0], bits[$0]) < gain(spreads[$1], bits[$1]) }
  }

  private static func leastLoss(
    _ spreads: [Double], _ bits: [Int], _ limits: ClosedRange<Int>
  ) -> Int? {
    spreads.indices
      .filter { bits[$0] > limits.lowerBound }
      .min { gain(spreads[$0], bits[$0] - 1) < gain(spreads[$1], bits[$1] - 1) }
  }
}
