public import GyroTensors

/// One differentiable operation: its value and its vector–Jacobian product, side by side.
///
/// Laws every op obeys, and the test suite checks for each:
/// - `pullback` is the transpose of the derivative of `forward` (directional check);
/// - it returns nil exactly where `needs` is false, and cotangents shaped like the inputs;
/// - neither reads anything but its arguments and the op's own constants.
public protocol Op: Sendable {
  /// What the backward pass needs. Keep it small: it lives until the backward pass reaches it.
  associatedtype Residual

  /// The value, and what the pullback will need.
  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual)

  /// The cotangents of the inputs given that of the output.
  /// - Parameter needs: per input, whether anybody wants its cotangent.
  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?]
}
