import GyroManifolds
import GyroOptimization
import GyroTensors

/// The rules for rotations as plain loops in double precision: dense skew-symmetric matrices, the exact
/// Cayley transform, nothing reused between shapes.
enum CayleyReference {
  static func walk(
    _ rule: any UpdateRule, _ start: Tensor, _ gradients: [Tensor], rate: Double
  ) throws -> Tensor {
    guard start.shape.rank == 3 else {
      return try walk(rule, Matrix64(start), gradients.map { Matrix64($0) }, rate: rate).tensor
    }
    let parts = try (0..<start.shape[0]).map { place in
      func part(_ tensor: Tensor) -> Matrix64 {
        Matrix64(
          tensor.sliced(axis: 0, place..<place + 1).reshaped([start.shape[1], start.shape[2]]))
      }
      return try walk(rule, part(start), gradients.map(part), rate: rate)
    }
    return Tensor(start.shape, elements: parts.flatMap { $0.elements.map(Float.init) })
  }

  private static func walk(
    _ rule: any UpdateRule, _ start: Matrix64, _ gradients: [Matrix64], rate: Double
  ) throws -> Matrix64 {
    var point = start
    let n = start.columns
    var first = Matrix64(rows: n, columns: n), second = first
    for (step, gradient) in gradients.enumerated() {
      let direction = skew(gradient, at: point)
      let taken: Matrix64
      let clamp: Double?
      switch rule {
      case let rule as CayleySGD:
        first = rule.momentum * first + direction
        (taken, clamp) = (first, rule.clamp)
      case let rule as CayleyAdam:
        first = rule.beta1 * first + (1 - rule.beta1) * direction
        var (bias1, bias2) = (1.0, 1.0)
        for _ in 0...step { (bias1, bias2) = (bias1 * rule.beta1, bias2 * rule.beta2) }
        var normalized = first
        for i in normalized.elements.indices {
          second.elements[i] =
            rule.beta2 * second.elements[i] + (1 - rule.beta2) * direction.elements[i]
            * direction.elements[i]
          normalized.elements[i] =
            first.elements[i] / (1 - bias1)
            / ((second.elements[i] / (1 - bias2)).squareRoot() + rule.epsilon)
        }
        (taken, clamp) = (normalized, rule.clamp)
      default: fatalError("\(rule) is no rule for rotations")
      }
      var norm = 0.0
      for column in 0..<n {
        norm = max(norm, (0..<n).reduce(0) { $0 + abs(taken[$1, column]) })
      }
      let length = clamp.map { min(rate, $0 / (norm + 1e-8)) } ?? rate
      let half = (length / 2) * taken
      let inverse = try (Matrix64.identity(n) + half).inverse()
      point = point.matmul((Matrix64.identity(n) - half).matmul(inverse))
    }
    return point
  }

  /// Ω of the gradient's tangent part, by the published formula: W = Ŵ − Ŵᵀ with V = Gᵀ,
  /// Ŵ = V·X − ½·Xᵀ·(X·V·X), acts from the left on columns; −W from the right on rows.
  private static func skew(_ gradient: Matrix64, at point: Matrix64) -> Matrix64 {
    let ambient = gradient.transposed()
    let product = ambient.matmul(point)
    let half = product - 0.5 * point.transposed().matmul(point.matmul(product))
    return half.transposed() - half
  }
}
