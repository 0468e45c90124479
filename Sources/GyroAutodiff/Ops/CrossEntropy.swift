import CGyroKernels
package import GyroTensors

/// The mean over rows of `ln Σ eˣ − x[target]`, with label smoothing ε
/// `ln Σ eˣ − (1 − ε) x[target] − ε mean(x)` (Szegedy et al., 1512.00567 §7).
///
/// The logits are the largest tensor of a language model, so there is never a second one: the
/// forward pass keeps one number a row, and the backward pass writes softmax − onehot over the
/// logits themselves when nobody else holds them.
package struct CrossEntropyOp: Op {
  let targets: [Int32]
  let ignored: Int32?
  let smoothing: Float

  package init(targets: [Int32], ignoring ignored: Int32?, smoothing: Float) {
    self.targets = targets
    self.ignored = ignored
    self.smoothing = smoothing
  }

  package struct Residual {
    let logits: TakenOnce
    let logSumExp: Tensor
    let terms: Int
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let logits = inputs[0].contiguous()
    let entropy = logits.crossEntropyRows(
      targets: targets, ignoring: ignored, labelSmoothing: smoothing)
    let total = entropy.losses.reduce(0, +)
    let loss = entropy.terms == 0 ? 0 : Float(total / Double(entropy.terms))
    return (
      Tensor(scalar: loss),
      Residual(
        logits: TakenOnce(logits), logSumExp: entropy.logSumExp, terms: entropy.terms)
    )
  }

  package func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let scale = residual.terms == 0 ? 0 : cotangent.item / Float(residual.terms)
    return [
      residual.logits.take().replacingElements { logits, shape, destination in
        residual.logSumExp.withElements {
          gyro_cross_entropy_gradient(
            logits, targets, $0, Int64(shape.rows), Int64(shape.columns), ignored ?? .min,
            smoothing, scale, destination)
        }
      }
    ]
  }
}

extension Variable {
  /// The mean cross-entropy of logits `[…, classes]` with one class per row.
  /// - Parameters:
  ///   - targets: one class a row, in `0 ..< classes`.
  ///   - ignored: rows with this target count neither in the sum nor in the mean. The loss is 0
  ///     when no row counts.
  ///   - labelSmoothing: the share ε of the target spread evenly over all classes.
  /// - Returns: a scalar in nats.
  public func crossEntropy(
    targets: [Int32], ignoring ignored: Int32? = nil, labelSmoothing: Float = 0
  ) -> Variable {
    .apply(
      CrossEntropyOp(targets: targets, ignoring: ignored, smoothing: labelSmoothing), to: self)
  }
}
