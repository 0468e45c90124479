import CGyroKernels
public import GyroTensors

/// Directions at a square rotation R seen from R itself, in Float32: the skew-symmetric Ω stands for
/// the tangent vector R·Ω.
///
/// Two things make this the frame to remember in: Ω of a gradient costs one matrix product, and what
/// was tangent stays tangent when R moves, so a momentum or a moment needs no transport. Everything
/// here is skew-symmetric to the last bit.
public enum BodyFrame {
  /// Adds the body-frame gradient to a memory: `memory ← keep · memory + scale · skew(RᵀG)`, where
  /// skew(A) = ½(A − Aᵀ).
  ///
  /// The product takes two bfloat16 pieces of each number (a relative error of about 3e-6, like
  /// that of the gradient itself); only directions depend on it, never orthogonality.
  ///
  /// - Parameters:
  ///   - point: R, `[n, n]`.
  ///   - gradient: the derivatives with respect to the elements of R, `[n, n]`.
  ///   - memory: `[n, n]`; not read when `keep` is 0.
  public static func accumulate(
    _ memory: inout Tensor, gradient: Tensor, at point: Tensor, scale: Double, keeping keep: Double
  ) {
    requireSquare(point, "accumulate")
    precondition(
      gradient.shape == point.shape && memory.shape == point.shape,
      "BodyFrame: the rotation \(point.shape), its gradient \(gradient.shape) and the memory "
        + "\(memory.shape) differ")
    let product = point.matmul(gradient, transposingSelf: true, precision: .splitBFloat16)
    let n = Int64(point.shape[0])
    product.withElements { product in
      memory.withMutableElements {
        gyro_skew_part(product, n, Float(scale / 2), Float(keep), $0)
      }
    }
  }

  /// The body-frame gradient `scale · skew(RᵀG)`, `[n, n]`.
  public static func direction(of gradient: Tensor, at point: Tensor, scale: Double = 1) -> Tensor {
    var result = Tensor(uninitialized: point.shape)
    accumulate(&result, gradient: gradient, at: point, scale: scale, keeping: 0)
    return result
  }

  /// ‖Ω‖₁, the largest column sum of magnitudes; of a skew-symmetric matrix also the largest row sum.
  public static func norm(_ direction: Tensor) -> Double {
    Double(extremes(direction).magnitude_sum)
  }

  static func extremes(_ matrix: Tensor) -> gyro_row_extremes {
    var result = gyro_row_extremes()
    let (rows, columns) = (Int64(matrix.shape.rows), Int64(matrix.shape.columns))
    matrix.withElements { gyro_row_extremes_of($0, rows, columns, &result) }
    return result
  }

  static func requireSquare(_ point: Tensor, _ operation: String) {
    precondition(
      point.shape.rank == 2 && point.shape[0] == point.shape[1],
      "BodyFrame.\(operation): expected a square matrix, not shape \(point.shape)")
  }
}
