import CGyroKernels
package import GyroTensors

/// Rounds half to even; the gradient passes as if nothing had happened (Bengio et al., 1308.3432).
package struct RoundStraightThroughOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Void) {
    (inputs[0].rounded(), ())
  }

  package func pullback(_ cotangent: Tensor, _ residual: Void, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? cotangent : nil]
  }
}

/// Clamps to a range; outside of it the gradient either passes or is zero.
package struct ClampOp: Op {
  let range: ClosedRange<Float>
  let gradient: ClampGradient

  package init(_ range: ClosedRange<Float>, gradient: ClampGradient) {
    self.range = range
    self.gradient = gradient
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor?) {
    let x = inputs[0].contiguous()
    return (x.clamped(to: range), gradient == .clipped ? x : nil)
  }

  package func pullback(_ cotangent: Tensor, _ x: Tensor?, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    guard let x else { return [cotangent] }
    let masked = x.withElements { source in
      cotangent.withElements { cotangent in
        Tensor.filled(x.shape) {
          gyro_clamp_gradient(
            source, cotangent, Int64(x.count), range.lowerBound, range.upperBound, $0)
        }
      }
    }
    return [masked]
  }
}

/// What a clamp does to the gradient of elements outside its range.
public enum ClampGradient: Sendable {
  /// It passes unchanged: the straight-through estimator.
  case passThrough
  /// It is zero: the true derivative. On the bounds themselves it passes.
  case clipped
}

extension Variable {
  /// The nearest whole numbers, halves to even; the gradient passes unchanged.
  public func roundedStraightThrough() -> Variable { .apply(RoundStraightThroughOp(), to: self) }

  /// Each element moved into `range`.
  public func clamped(
    to range: ClosedRange<Float>, gradient: ClampGradient = .clipped
  ) -> Variable { .apply(ClampOp(range, gradient: gradient), to: self) }
}
