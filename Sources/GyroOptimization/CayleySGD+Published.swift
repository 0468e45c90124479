public import GyroModels
import GyroManifolds
import GyroTensors

extension CayleySGD {
  /// Whether the published mode replaces the point by its QR factor in a step, counted from 0: a draw
  /// of probability 1/101 that follows from the seed, the path and the step alone.
  public static func publishedFactorizes(_ path: ParameterPath, step: Int, seed: UInt64) -> Bool {
    var random = RandomStream(seed: seed).derived("published qr \(path.name)", step)
    return random.integer(below: 101) == 0
  }

  /// One step of the published optimizer for X [p, n] (its rows are what is orthonormal), p ≤ n.
  func publishedStep(
    _ start: Matrix64, gradient: Matrix64, rate: Double, factorizing: Bool
  ) -> Tensor {
    var point = start
    for row in 0..<point.rows {
      let range = row * point.columns..<(row + 1) * point.columns
      let norm = point.elements[range].reduce(0) { $0 + $1 * $1 }.squareRoot() + 1e-8
      for place in range { point.elements[place] /= norm }
    }
    if factorizing, let factor = try? Stiefel().orthonormalized(point) { point = factor }

    // V = −Gᵀ, the momentum being lost.  Ŵ = V·X − ½·Xᵀ·(X·V·X),  W = Ŵ − Ŵᵀ.
    let columns = point.transposed()
    let ambient = -1 * gradient.transposed()
    let product = ambient.matmul(point)
    let half = product - 0.5 * columns.matmul(point.matmul(product))
    let direction = half - half.transposed()

    let length = min(rate, 1 / (direction.largestColumnSum + 1e-8))
    var result = columns + length * ambient
    for _ in 0..<5 {
      result = columns + length * direction.matmul(0.5 * (columns + result))
    }
    return result.transposed().tensor
  }
}

extension Matrix64 {
  /// ‖A‖₁; NaN when an element is.
  fileprivate var largestColumnSum: Double {
    var sums = [Double](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns { sums[column] += abs(elements[row * columns + column]) }
    }
    return sums.reduce(0) { $1 <= $0 ? $0 : $1 }
  }
}
