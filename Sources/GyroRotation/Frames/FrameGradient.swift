import GyroModels
import GyroTensors

/// The gradient of a loss with respect to the factors at a side of a tensor, from what quantizing the
/// tensor changed and from the loss's gradient there.
///
/// Rows `x` are quantized as `Q(x)`, and the other side of the pair undoes every factor, so that only
/// `e = Q(x) − x` depends on them. Let a factor grow by a small `A`, `F → F (I + A)`. Straight through,
/// with `d` the gradient with respect to `Q(x)`, the loss grows by `⟨xᵀd, A⟩ − ⟨Q(x)ᵀd, A⟩`, so the
/// gradient is `−eᵀd`: one product, in the coordinates of the quantizer, and no gradient of any weight
/// is needed. Its skew part moves a rotation along the group, its diagonal a scaling. Factors further
/// in follow after `e ← e F⁻¹`, `d ← d Fᵀ`.
struct FrameGradient {
  let factors: [FrameFactor]
  let values: [ParameterPath: Tensor]
  let precision: MatmulPrecision

  /// The gradients by path: for a rotation the ambient gradient `R · (−eᵀd)`, for a scaling that of
  /// its logarithms.
  /// - Parameters:
  ///   - error: `e`, rows of columns.
  ///   - cotangent: `d`, of the same shape.
  ///   - needs: the factors somebody learns.
  func callAsFunction(
    error: Tensor, cotangent: Tensor, needs: (ParameterPath) -> Bool
  ) -> [ParameterPath: Tensor] {
    var (error, cotangent) = (error, cotangent)
    var result: [ParameterPath: Tensor] = [:]
    var wanted = factors.filter { $0.path.map(needs) ?? false }.count
    for factor in factors.reversed() {
      if wanted == 0 { break }
      if let path = factor.path, needs(path) {
        result[path] = gradient(of: factor, error, cotangent)
        wanted -= 1
      }
      guard wanted > 0 else { break }
      error = factor.removed(from: error, values, precision: precision)
      cotangent = factor.removed(from: cotangent, values, dual: true, precision: precision)
    }
    return result
  }

  private func gradient(of factor: FrameFactor, _ error: Tensor, _ cotangent: Tensor) -> Tensor {
    switch factor {
    case .rotation(let path):
      let matrix = values[path]!
      let size = matrix.shape[0]
      let generator = error.reshaped([-1, size])
        .matmul(cotangent.reshaped([-1, size]), transposingSelf: true, precision: precision)
      return -matrix.matmul(generator, precision: precision)
    case .scaling(let path, let places, let isInverse):
      let columns = places.count
      let sums = (error.reshaped([-1, columns]) * cotangent.reshaped([-1, columns]))
        .sum(axes: [0]).elements
      var gradient = [Float](repeating: 0, count: values[path]!.count)
      for (column, place) in places.enumerated() {
        gradient[Int(place)] += isInverse ? sums[column] : -sums[column]
      }
      return Tensor(values[path]!.shape, elements: gradient)
    case .hadamard:
      preconditionFailure("FrameGradient: nobody learns a Hadamard transform")
    }
  }
}
