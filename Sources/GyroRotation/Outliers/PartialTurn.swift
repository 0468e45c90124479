import GyroTensors

/// An orthogonal matrix that takes activations to axes where the largest channel stands out by as
/// much as is asked for: to their principal axes, or some of the way back from them.
struct PartialTurn {
  let matrix: Matrix64
  /// The largest channel's root mean square over the median channel's.
  let peak: Double

  /// - Parameters:
  ///   - covariance: uncentred, `[n, n]`.
  ///   - peak: what the largest over the median should be; if even the principal axes have less,
  ///     they are taken.
  ///   - random: draws the order of the axes and the direction of the way back.
  /// - Throws: `LinearAlgebraError`.
  init(
    _ covariance: Matrix64, peak wanted: Double, _ random: inout RandomStream
  ) throws(LinearAlgebraError) {
    let n = covariance.rows
    let (values, vectors) = try covariance.symmetricEigen()
    let order = random.permutation(n)
    var axes = Matrix64(rows: n, columns: n)
    for row in 0..<n {
      for column in 0..<n { axes[row, column] = vectors[row, order[column]] }
    }
    let spectrum = order.map { max(values[$0], 0) }
    func roots(_ turn: Matrix64) -> [Double] {
      (0..<n).map { column in
        var sum = 0.0
        for row in 0..<n {
          sum += spectrum[row] * turn[row, column] * turn[row, column]
        }
        return sum.squareRoot()
      }
    }
    let natural = ChannelMoments.peak(spectrum.map { $0.squareRoot() })
    guard natural > wanted else {
      (matrix, peak) = (axes, natural)
      return
    }
    let skew = Self.skew(n, &random)
    // More of the turn flattens the channels: halve the interval between none and half a turn.
    var (low, high) = (0.0, 4.0)
    var turn = Matrix64.identity(n)
    for _ in 0..<30 {
      let middle = (low + high) / 2
      turn = try Self.cayley(middle * skew)
      if ChannelMoments.peak(roots(turn)) > wanted { low = middle } else { high = middle }
    }
    (matrix, peak) = (axes.matmul(turn), ChannelMoments.peak(roots(turn)))
  }

  /// A random skew matrix whose rows are about one long.
  private static func skew(_ n: Int, _ random: inout RandomStream) -> Matrix64 {
    let draws = random.normal([n, n], standardDeviation: Float(1 / (2 * Double(n)).squareRoot()))
    let matrix = Matrix64(draws)
    return matrix - matrix.transposed()
  }

  /// `(I − A/2)⁻¹ (I + A/2)`, orthogonal for a skew A.
  private static func cayley(_ skew: Matrix64) throws(LinearAlgebraError) -> Matrix64 {
    let identity = Matrix64.identity(skew.rows), half = 0.5 * skew
    return try (identity - half).solved(for: identity + half)
  }
}
