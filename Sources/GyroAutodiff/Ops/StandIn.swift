public import GyroTensors

/// The straight-through estimator at its plainest: another value takes this one's place, and the
/// gradient passes as if nothing had happened (Bengio et al., 1308.3432; 2106.08295 §4.1).
struct StandInOp: Op {
  let value: Tensor

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Void) { (value, ()) }

  func pullback(_ cotangent: Tensor, _ residual: Void, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? cotangent : nil]
  }
}

extension Variable {
  /// `value` in place of this variable's own; gradients flow to this variable unchanged.
  public func standingFor(_ value: Tensor) -> Variable {
    precondition(
      value.shape == shape, "standingFor: \(value.shape) cannot stand for \(shape)")
    return .apply(StandInOp(value: value), to: self)
  }
}
