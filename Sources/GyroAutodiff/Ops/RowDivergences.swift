import CGyroKernels
import GyroTensors

/// `KL(p ‖ q) = Σ p (ln p − ln q)` for each row of two tensors of logits at a temperature: what both
/// directions of distillation compute.
struct RowDivergences {
  /// One divergence per row, in nats.
  let rows: [Double]
  /// `ln Σ e^(logit / T)` of each row, `[rows]`.
  let logSumExp: Tensor, otherLogSumExp: Tensor
  /// `T² ·` the mean over rows.
  let mean: Float

  /// - Parameter op: what a trap calls the op.
  init(of p: Tensor, from q: Tensor, temperature: Float, op: String) {
    precondition(p.shape == q.shape, "\(op): logits \(p.shape) and \(q.shape) differ")
    precondition(temperature > 0, "\(op): the temperature must be positive, not \(temperature)")
    let (count, columns) = (p.shape.rows, Int64(p.shape.columns))
    var divergences = [Double](repeating: 0, count: count)
    var (ofP, ofQ) = (Tensor(uninitialized: [count]), Tensor(uninitialized: [count]))
    p.withElements { p in
      q.withElements { q in
        ofP.withMutableElements { ofP in
          ofQ.withMutableElements { ofQ in
            gyro_kullback_leibler(
              q, p, Int64(count), columns, 1 / temperature, ofQ, ofP,
              &divergences)
          }
        }
      }
    }
    rows = divergences
    (logSumExp, otherLogSumExp) = (ofP, ofQ)
    let square = Double(temperature) * Double(temperature)
    mean = Float(square * divergences.reduce(0, +) / Double(max(count, 1)))
  }
}
