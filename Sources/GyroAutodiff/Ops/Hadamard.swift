public import GyroManifolds
package import GyroTensors

/// `y = x · M` along the last axis, M orthogonal. Linear, so nothing is kept: the pullback is the
/// other transform, `ḡ · Mᵀ`.
package struct HadamardOp: Op {
  let transform: HadamardTransform
  let isTransposed: Bool

  package init(_ transform: HadamardTransform, transposed: Bool) {
    self.transform = transform
    isTransposed = transposed
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Void) {
    (transform.applied(to: inputs[0], transposed: isTransposed), ())
  }

  package func pullback(_ cotangent: Tensor, _: Void, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? transform.applied(to: cotangent, transposed: !isTransposed) : nil]
  }
}

extension Variable {
  /// The rows of `[..., size]` times the matrix of a Hadamard transform, or times its transpose:
  /// the online rotations of SpinQuant (2405.16406 §3.2) and QuaRot (2404.00456 §4).
  public func hadamard(_ transform: HadamardTransform, transposed: Bool = false) -> Variable {
    .apply(HadamardOp(transform, transposed: transposed), to: self)
  }
}
