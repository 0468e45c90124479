import CGyroKernels
import CGyroParallel
package import GyroTensors

/// `y = (x − mean) / √(variance + ε) ⊙ weight + bias`, row by row.
///
/// With `r = 1 / √(variance + ε)`, `c = x − mean` and `g = weight ⊙ dy`:
/// `dx = r (g − mean(g) − c r² mean(g ⊙ c))`, `dweight = Σ rows r c ⊙ dy`, `dbias = Σ rows dy`.
package struct LayerNormOp: Op {
  package struct Residual {
    let x: Tensor, weight: Tensor
    /// Mean and inverse deviation of each row.
    let mean: Tensor, inverse: Tensor
  }

  let epsilon: Float

  package init(epsilon: Float) { self.epsilon = epsilon }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let x = inputs[0].contiguous(), weight = inputs[1].contiguous(), bias = inputs[2].contiguous()
    precondition(
      weight.shape == [x.shape.columns] && bias.shape == weight.shape,
      """
      layerNormalized: a weight of shape \(weight.shape) and a bias of shape \(bias.shape) do not \
      fit the rows of \(x.shape)
      """)
    var mean = Tensor(uninitialized: [x.shape.rows]), inverse = mean
    let output = x.withElements { source in
      weight.withElements { weight in
        bias.withElements { bias in
          mean.withMutableElements { mean in
            inverse.withMutableElements { inverse in
              Tensor.filled(x.shape) {
                gyro_layer_norm(
                  source, weight, bias, Int64(x.shape.rows), Int64(x.shape.columns), epsilon, $0,
                  mean, inverse)
              }
            }
          }
        }
      }
    }
    return (output, Residual(x: x, weight: weight, mean: mean, inverse: inverse))
  }

  package func pullback(
    _ cotangent: Tensor, _ residual: Residual, needs: [Bool]
  ) -> [Tensor?] {
    let shape = residual.x.shape
    let partial = PooledBuffer(
      byteCount: 2 * Int(gyro_thread_count()) * shape.columns * MemoryLayout<Float>.size)
    var gradients = zip(needs, [residual.x, residual.weight, residual.weight]).map {
      $0 ? Tensor(uninitialized: $1.shape) : nil
    }
    residual.x.withElements { x in
      residual.weight.withElements { weight in
        residual.mean.withElements { mean in
          residual.inverse.withElements { inverse in
            cotangent.withElements { cotangent in
              gradients.withMutablePointers {
                gyro_layer_norm_backward(
                  x, weight, mean, inverse, cotangent, Int64(shape.rows), Int64(shape.columns),
                  $0[0], $0[1], $0[2], partial.pointer.assumingMemoryBound(to: Float.self))
              }
            }
          }
        }
      }
    }
    return gradients
  }
}

extension Variable {
  /// Shifts and scales each row (the last axis, `d` long) of `[…, d]` to mean zero and variance
  /// one: `(x − mean) / √(variance + ε) ⊙ weight + bias`, the variance that of the row as a whole,
  /// not of a sample (Ba et al., 1607.06450).
  ///
  /// - Parameter weight: `[d]`.
  /// - Parameter bias: `[d]`.
  public func layerNormalized(
    weight: Variable, bias: Variable, epsilon: Float = 1e-5
  ) -> Variable {
    .apply(LayerNormOp(epsilon: epsilon), to: self, weight, bias)
  }
}
