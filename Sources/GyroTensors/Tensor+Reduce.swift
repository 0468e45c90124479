import CGyroKernels

/// Sums, extremes and places of extremes. Sums run in a fixed order that depends on the shape
/// alone: the same bits for any number of threads.
extension Tensor {
  /// Σ x: 16 Float32 lanes within blocks of 4096 elements, double precision across blocks.
  public func sum() -> Float { Float(preciseSum()) }

  /// The same sum before its last rounding.
  public func preciseSum() -> Double { withElements { gyro_sum($0, Int64(count)) } }

  /// Σ x².
  public func sumOfSquares() -> Double { withElements { gyro_sum_of_squares($0, Int64(count)) } }

  /// Σ x · y with a tensor of the same shape.
  public func dot(_ other: Tensor) -> Double {
    precondition(shape == other.shape, "dot: \(shape) and \(other.shape) differ")
    return withElements { a in other.withElements { b in gyro_dot(a, b, Int64(count)) } }
  }

  /// Σ (x − y)² with a tensor of the same shape.
  public func sumOfSquaredDifferences(from other: Tensor) -> Double {
    precondition(
      shape == other.shape, "sumOfSquaredDifferences: \(shape) and \(other.shape) differ")
    return withElements { a in
      other.withElements { b in gyro_sum_of_squared_differences(a, b, Int64(count)) }
    }
  }

  /// Σ x / count (NaN for no elements).
  public func mean() -> Float { Float(preciseSum() / Double(count)) }

  /// The largest element; NaN if there is one.
  public func maximum() -> Float {
    precondition(count > 0, "maximum: shape \(shape) has no elements")
    return withElements { gyro_maximum($0, Int64(count)) }
  }

  /// The smallest element; NaN if there is one.
  public func minimum() -> Float {
    precondition(count > 0, "minimum: shape \(shape) has no elements")
    return withElements { gyro_minimum($0, Int64(count)) }
  }

  /// The largest |x|, 0 for no elements; NaN if there is one.
  public var maximumMagnitude: Float { withElements { gyro_maximum_magnitude($0, Int64(count)) } }

  /// Whether no element is infinite or NaN.
  public var allFinite: Bool { maximumMagnitude.isFinite }

  /// The place of the largest element of each row (the first of equals).
  public func argmaxRows() -> [Int] {
    precondition(shape.columns > 0, "argmaxRows: the rows of \(shape) are empty")
    var places = [Int64](repeating: 0, count: shape.rows)
    withElements {
      gyro_argmax_rows($0, Int64(shape.rows), Int64(shape.columns), &places)
    }
    return places.map(Int.init)
  }

  /// The sum over `axes` (negative axes count from the end).
  /// - Parameter keepingAxes: whether the axes stay, with extent 1.
  public func sum(axes: [Int], keepingAxes: Bool = false) -> Tensor {
    reduce(axes: axes, keepingAxes: keepingAxes, factor: 1)
  }

  /// The mean over `axes` (negative axes count from the end).
  public func mean(axes: [Int], keepingAxes: Bool = false) -> Tensor {
    let places = Set(axes.map(shape.normalized))
    let terms = places.reduce(1) { $0 * shape.dimensions[$1] }
    return reduce(axes: axes, keepingAxes: keepingAxes, factor: 1 / Float(terms))
  }

  /// Sums one run of neighbouring axes after another, the last run first; each is a sum over the
  /// middle of `[outer, middle, inner]`, so no axis has to move.
  private func reduce(axes: [Int], keepingAxes: Bool, factor: Float) -> Tensor {
    let places = Set(axes.map(shape.normalized))
    var result = contiguous()
    var extents = shape.dimensions
    var factor = factor
    var end = extents.count
    while end > 0 {
      guard places.contains(end - 1) else {
        end -= 1
        continue
      }
      var start = end - 1
      while start > 0 && places.contains(start - 1) { start -= 1 }
      let outer = extents[..<start].reduce(1, *)
      let middle = extents[start..<end].reduce(1, *)
      let inner = extents[end...].reduce(1, *)
      for axis in start..<end { extents[axis] = 1 }
      result = result.withElements { source in
        Tensor.filled(Shape(extents)) {
          gyro_sum_middle(source, Int64(outer), Int64(middle), Int64(inner), factor, $0)
        }
      }
      factor = 1
      end = start
    }
    if keepingAxes { return result }
    return result.reshaped(
      shape.dimensions.enumerated().filter { !places.contains($0.offset) }.map(\.element))
  }
}
