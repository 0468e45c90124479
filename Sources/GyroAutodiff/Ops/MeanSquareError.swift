import CGyroKernels
package import GyroTensors

/// `Σ (a − b)² / count`; `da = 2/count · (a − b)`, `db = −da`.
package struct MeanSquareErrorOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Tensor]) {
    precondition(
      inputs[0].shape == inputs[1].shape,
      "meanSquareError: \(inputs[0].shape) and \(inputs[1].shape) differ")
    let (a, b) = (inputs[0].contiguous(), inputs[1].contiguous())
    let mean = a.sumOfSquaredDifferences(from: b) / Double(max(a.count, 1))
    return (Tensor(scalar: Float(mean)), [a, b])
  }

  package func pullback(_ cotangent: Tensor, _ inputs: [Tensor], needs: [Bool]) -> [Tensor?] {
    let (a, b) = (inputs[0], inputs[1])
    let scale = 2 * cotangent.item / Float(max(a.count, 1))
    func gradient(_ sign: Float) -> Tensor {
      a.withElements { first in
        b.withElements { second in
          Tensor.filled(a.shape) {
            gyro_scaled_difference(first, second, Int64(a.count), sign * scale, $0)
          }
        }
      }
    }
    return [needs[0] ? gradient(1) : nil, needs[1] ? gradient(-1) : nil]
  }
}

extension Variable {
  /// The mean of the squared differences from `target`, of the same shape; a scalar.
  public func meanSquareError(to target: Variable) -> Variable {
    .apply(MeanSquareErrorOp(), to: self, target)
  }
}
