import CGyroKernels
package import GyroTensors

/// `y = eˣ / Σ eˣ` along the last axis; `dx = y ⊙ (dy − Σ y dy)` needs the output alone.
package struct SoftmaxOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
    let y = inputs[0].softmax()
    return (y, y)
  }

  package func pullback(_ cotangent: Tensor, _ y: Tensor, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let gradient = y.withElements { values in
      cotangent.withElements { cotangent in
        Tensor.filled(y.shape) {
          gyro_softmax_rows_gradient(
            values, cotangent, Int64(y.shape.rows), Int64(y.shape.columns), $0)
        }
      }
    }
    return [gradient]
  }
}

extension Variable {
  /// `eˣ / Σ eˣ` along the last axis.
  public func softmax() -> Variable { .apply(SoftmaxOp(), to: self) }
}
