import CGyroKernels
import CGyroParallel
package import GyroTensors

/// `y = x / √(mean(x²) + ε) ⊙ weight`, row by row.
///
/// With `r = 1 / √(mean(x²) + ε)` and `g = weight ⊙ dy`: `dx = r (g − x r² mean(g ⊙ x))` and
/// `dweight = Σ rows r x ⊙ dy`.
package struct RMSNormOp: Op {
  package struct Residual {
    let x: Tensor, weight: Tensor, inverse: Tensor
  }

  let epsilon: Float

  package init(epsilon: Float) { self.epsilon = epsilon }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let x = inputs[0].contiguous(), weight = inputs[1].contiguous()
    precondition(
      weight.shape == [x.shape.columns],
      "rmsNormalized: a weight of shape \(weight.shape) does not fit the rows of \(x.shape)")
    var inverse = Tensor(uninitialized: [x.shape.rows])
    let output = x.withElements { source in
      weight.withElements { weight in
        inverse.withMutableElements { inverse in
          Tensor.filled(x.shape) {
            gyro_rms_norm(
              source, weight, Int64(x.shape.rows), Int64(x.shape.columns), epsilon, $0, inverse)
          }
        }
      }
    }
    return (output, Residual(x: x, weight: weight, inverse: inverse))
  }

  package func pullback(
    _ cotangent: Tensor, _ residual: Residual, needs: [Bool]
  ) -> [Tensor?] {
    let shape = residual.x.shape
    let partial = PooledBuffer(
      byteCount: needs[1] ? Int(gyro_thread_count()) * shape.columns * MemoryLayout<Float>.size : 0)
    var gradients = zip(needs, [residual.x, residual.weight]).map {
      $0 ? Tensor(uninitialized: $1.shape) : nil
    }
    residual.x.withElements { x in
      residual.weight.withElements { weight in
        residual.inverse.withElements { inverse in
          cotangent.withElements { cotangent in
            gradients.withMutablePointers {
              gyro_rms_norm_backward(
                x, weight, inverse, cotangent, Int64(shape.rows), Int64(shape.columns), $0[0],
                $0[1], partial.pointer.assumingMemoryBound(to: Float.self))
            }
          }
        }
      }
    }
    return gradients
  }
}

extension Variable {
  /// Scales each row (the last axis, `d` long) of `[…, d]` to a root mean square of one, then by
  /// `weight`: `x / √(mean(x²) + ε) ⊙ weight` (Zhang & Sennrich, 1910.07467).
  ///
  /// - Parameter weight: `[d]`.
  public func rmsNormalized(weight: Variable, epsilon: Float = 1e-5) -> Variable {
    .apply(RMSNormOp(epsilon: epsilon), to: self, weight)
  }
}
