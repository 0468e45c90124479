import CGyroKernels
public import GyroModels

extension Gradients {
  /// The Euclidean norm of all gradients taken as one vector, summed in double precision in the
  /// order of the paths.
  /// - Throws: `NumericFault` naming the first parameter whose gradient is not finite.
  public func norm() throws(NumericFault) -> Double {
    var sum = 0.0
    for path in paths {
      guard let gradient = self[path] else { continue }
      let count = gradient.count
      var squares = gradient.withElements { gyro_sum_of_squares($0, Int64(count)) }
      if !squares.isFinite {
        // Squares of large finite numbers overflow Float32: look again in double precision.
        squares = gradient.withElements { elements in
          (0..<count).reduce(0.0) { $0 + Double(elements[$1]) * Double(elements[$1]) }
        }
        guard squares.isFinite else {
          throw NumericFault(path: path, what: "the gradient is not finite")
        }
      }
      sum += squares
    }
    return sum.squareRoot()
  }

  /// Adds the gradients of another batch.
  public mutating func add(_ other: consuming Gradients) {
    for path in other.paths { accumulate(other[path]!, at: path) }
  }
}

/// The factor that brings a norm down to a limit: `limit / norm`, or 1 when it is below already.
public func clippingFactor(norm: Double, limit: Double) -> Double {
  precondition(limit > 0, "clippingFactor: the limit must be positive, not \(limit)")
  return norm > limit ? limit / norm : 1
}
