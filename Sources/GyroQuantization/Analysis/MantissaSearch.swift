public import GyroTensors

/// How many of the bits of a small float should be mantissa: for every channel the pair (mantissa
/// bits, clip value) of least mean squared error is searched, then the channels vote
/// (2208.09225 §4, the (M, c) search). Formats are those in which every code is finite.
public struct MantissaSearch: Sendable {
  /// Bits of the format, sign included.
  public let bits: Int
  /// Clip values, as parts of the channel's largest absolute value.
  public let shares: [Double]

  /// 111 clip values from 0.1 to 1.2 times the largest value.
  public init(bits: Int = 8, candidates: Int = 111, from low: Double = 0.1, to high: Double = 1.2) {
    precondition((3...8).contains(bits), "MantissaSearch: 3 to 8 bits, not \(bits)")
    precondition(candidates > 1, "MantissaSearch: needs at least 2 candidates")
    self.bits = bits
    shares = (0..<candidates).map { low + (high - low) * Double($0) / Double(candidates - 1) }
  }

  /// The widths of the mantissa there are; one bit of exponent (equally spaced values) at most.
  public var mantissas: ClosedRange<Int> { 1...bits - 2 }

  /// The format with so many bits of mantissa.
  public func format(mantissaBits: Int) -> Minifloat {
    .allFinite(exponentBits: bits - 1 - mantissaBits, mantissaBits: mantissaBits)
  }

  /// What was found.
  public struct Choice: Sendable {
    public let format: Minifloat
    /// Channels that voted for each width of the mantissa.
    public let votes: [Int: Int]
    /// The best clip value of each channel under the elected format.
    public let clips: [Double]
    /// The error under the elected format, the mean over channels.
    public let error: RoundingError
  }

  /// Searches over channels, each a list of finite values. Channels of zeros do not vote. Of widths
  /// with equally many votes the one with the least error over all channels wins.
  public func search(_ channels: [[Float]]) -> Choice {
    precondition(!channels.isEmpty, "MantissaSearch: there are no channels")
    let grids = mantissas.map { ScalarGrid(format(mantissaBits: $0)) }
    var votes: [Int: Int] = [:]
    var totals = [Double](repeating: 0, count: grids.count)
    var found: [[ScalarGrid.Clipping]] = []
    for channel in channels {
      let density = EmpiricalDensity(channel)
      let best = grids.map { clipping(of: $0, on: density) }
      found.append(best)
      for (place, clipping) in best.enumerated() {
        totals[place] += clipping.error.noise * Double(channel.count)
      }
      guard density.largest > 0 else { continue }
      let winner = best.indices.min { best[$0].error.noise < best[$1].error.noise }!
      votes[winner + mantissas.lowerBound, default: 0] += 1
    }
    let elected = grids.indices.min { a, b in
      let forA = votes[a + mantissas.lowerBound, default: 0]
      let forB = votes[b + mantissas.lowerBound, default: 0]
      return forA == forB ? totals[a] < totals[b] : forA > forB
    }!
    let chosen = found.map { $0[elected] }
    let sizes = channels.map { Double($0.count) }
    func mean(_ value: (RoundingError) -> Double) -> Double {
      zip(chosen, sizes).reduce(0) { $0 + value($1.0.error) * $1.1 } / sizes.reduce(0, +)
    }
    return Choice(
      format: format(mantissaBits: elected + mantissas.lowerBound), votes: votes,
      clips: chosen.map(\.clip),
      error: RoundingError(
        noise: mean(\.noise), correlation: mean(\.correlation), power: mean(\.power)))
  }

  /// Searches over the slices of a tensor along its first axis (output channels of a weight).
  public func search(channelsOf tensor: Tensor) -> Choice {
    precondition(tensor.shape.rank > 0, "MantissaSearch: a scalar has no channels")
    let length = tensor.count / max(tensor.shape[0], 1)
    let elements = tensor.elements
    return search(
      (0..<tensor.shape[0]).map { Array(elements[$0 * length..<($0 + 1) * length]) })
  }

  private func clipping(of grid: ScalarGrid, on density: EmpiricalDensity) -> ScalarGrid.Clipping {
    let top = density.largest > 0 ? density.largest : 1
    return shares.map { share in
      ScalarGrid.Clipping(
        clip: share * top, error: grid.error(on: density, clip: share * top))
    }.min { $0.error.noise < $1.error.noise }!
  }
}
