import GyroModels
import GyroTensors

/// How a layer's inputs X̂ in a partly rounded model hang together with those X in the float model:
/// `2 XᵀX̂ / n`.
///
/// The weight that serves X̂ best in place of X is not W: `‖X Wᵀ − X̂ Vᵀ‖²` is least at
/// `V = W (XᵀX̂) (X̂ᵀX̂)⁻¹`, and differs from `‖X̂ (V̂ − V)ᵀ‖²` by a constant for any other V̂. So rounding V
/// under the Hessian of X̂ makes up for the errors of the layers before, as far as a linear map can
/// (asymmetric calibration; GPTAQ, 2504.02692, moves the same residual column by column).
struct CrossMoment {
  let size: Int
  private let precision: MatmulPrecision
  private var count = 0
  /// `[size, size]`, rows for X, columns for X̂.
  private var sums: [Double]

  init(size: Int, precision: MatmulPrecision) {
    self.size = size
    self.precision = precision
    sums = .init(repeating: 0, count: size * size)
  }

  /// Adds inputs `[…, in]` of the float model, and those of the rounded one at the same places.
  mutating func accumulate(float: Tensor, rounded: Tensor) {
    let rows = float.shape.rows
    let product = float.reshaped([rows, size]).matmul(
      rounded.reshaped([rows, size]), transposingSelf: true, precision: precision)
    product.withElements { product in
      for place in sums.indices { sums[place] += Double(product[place]) }
    }
    count += rows
  }

  /// `V − W = W (XᵀX̂ − X̂ᵀX̂) (X̂ᵀX̂ + λ)⁻¹`, with the damping that rounding uses: where X̂ is X, nothing
  /// changes.
  func corrected(
    _ weight: Tensor, _ hessian: Hessian, damping: Double, at path: ParameterPath
  ) throws(PostTrainingError) -> Tensor {
    let factor = try HessianFactor(hessian, order: nil, damping: damping, at: path).upper
    let scale = 2 / Double(max(count, 1))
    var difference = hessian.matrix
    for place in sums.indices {
      difference.elements[place] = scale * sums[place] - difference.elements[place]
    }
    let matrix = weight.reshaped([weight.shape[0], size])
    let change = matrix.matmul(difference.tensor)
      .matmul(factor, transposingOther: true).matmul(factor)
    return (matrix + change).reshaped(weight.shape.dimensions)
  }
}
