import GyroTensors

/// Sums of powers of the channels of an activation, over all tokens seen.
struct ChannelMoments: Sendable {
  private(set) var count = 0
  /// Per channel.
  private(set) var squares: [Double]
  /// Over all elements: x, x², x³, x⁴.
  private var powers: (Double, Double, Double, Double) = (0, 0, 0, 0)
  /// The sum of `xᵀ · x` over rows cut to this width; nil when it was not asked for.
  private(set) var covariance: Matrix64?

  /// - Parameter covariance: width of the rows whose covariance is kept, or nil.
  init(channels: Int, covariance width: Int? = nil) {
    squares = .init(repeating: 0, count: channels)
    covariance = width.map { Matrix64(rows: $0, columns: $0) }
  }

  /// Adds rows, `[…, channels]`.
  mutating func add(_ x: Tensor) {
    let channels = squares.count
    precondition(x.shape.columns == channels, "ChannelMoments: \(x.shape) has not \(channels)")
    count += x.shape.rows
    x.withElements { source in
      for row in 0..<x.shape.rows {
        for channel in 0..<channels {
          let value = Double(source[row * channels + channel]), square = value * value
          squares[channel] += square
          powers.0 += value
          powers.1 += square
          powers.2 += square * value
          powers.3 += square * square
        }
      }
    }
    guard let width = covariance?.rows else { return }
    let rows = Matrix64(x.reshaped([-1, width]))
    covariance = covariance! + rows.matmul(rows, transposingSelf: true)
  }

  /// The root mean square of each channel.
  var roots: [Double] { squares.map { ($0 / Double(max(count, 1))).squareRoot() } }

  /// The largest channel's root mean square over the median channel's.
  var peak: Double { Self.peak(roots) }

  static func peak(_ roots: [Double]) -> Double {
    let median = median(roots)
    return median > 0 ? (roots.max() ?? 0) / median : .infinity
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted(), middle = sorted.count / 2
    return sorted.isEmpty
      ? 0 : sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The fourth central moment of all elements over the square of the second: 3 for normal numbers.
  var kurtosis: Double {
    let n = Double(max(count * squares.count, 1))
    let (a, b, c, d) = (powers.0 / n, powers.1 / n, powers.2 / n, powers.3 / n)
    let variance = b - a * a
    let fourth = d - 4 * a * c + 6 * a * a * b - 3 * a * a * a * a
    return variance > 0 ? fourth / (variance * variance) : .nan
  }
}
