import CGyroKernels
package import GyroTensors

/// A function of each element, with its exact derivative. The kernel holds both, side by side.
package struct ActivationOp: Op {
  /// The functions there are.
  package enum Function: CaseIterable, Sendable {
    case silu, gelu, geluTanh, relu, relu6, sigmoid, tanh, exp, log, square, squareRoot
    case magnitude, erf

    var kernel: gyro_unary_op {
      switch self {
      case .silu: GYRO_SILU
      case .gelu: GYRO_GELU
      case .geluTanh: GYRO_GELU_TANH
      case .relu: GYRO_RELU
      case .relu6: GYRO_RELU6
      case .sigmoid: GYRO_SIGMOID
      case .tanh: GYRO_TANH
      case .exp: GYRO_EXP
      case .log: GYRO_LOG
      case .square: GYRO_SQUARE
      case .squareRoot: GYRO_SQUARE_ROOT
      case .magnitude: GYRO_ABSOLUTE
      case .erf: GYRO_ERF
      }
    }
  }

  let function: Function

  package init(_ function: Function) { self.function = function }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
    let x = inputs[0].contiguous()
    let y = x.withElements { source in
      Tensor.filled(x.shape) { gyro_unary(function.kernel, source, Int64(x.count), $0) }
    }
    return (y, x)
  }

  package func pullback(_ cotangent: Tensor, _ x: Tensor, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let gradient = x.withElements { source in
      cotangent.withElements { cotangent in
        Tensor.filled(x.shape) {
          gyro_unary_gradient(function.kernel, source, cotangent, Int64(x.count), $0)
        }
      }
    }
    return [gradient]
  }
}

extension Variable {
  /// `x · sigmoid(x)`, also called swish (Elfwing et al., 1702.03118).
  public func silu() -> Variable { .apply(ActivationOp(.silu), to: self) }

  /// `x Φ(x)` with the exact normal distribution function (Hendrycks & Gimpel, 1606.08415).
  public func gelu() -> Variable { .apply(ActivationOp(.gelu), to: self) }

  /// The tanh form `½x (1 + tanh(√(2/π) (x + 0.044715x³)))` of the same paper.
  public func geluTanh() -> Variable { .apply(ActivationOp(.geluTanh), to: self) }

  /// `max(x, 0)`; the gradient at 0 is 0.
  public func relu() -> Variable { .apply(ActivationOp(.relu), to: self) }

  /// `min(max(x, 0), 6)`; the gradient at 0 and at 6 is 0.
  public func relu6() -> Variable { .apply(ActivationOp(.relu6), to: self) }

  /// `1 / (1 + e⁻ˣ)`.
  public func sigmoid() -> Variable { .apply(ActivationOp(.sigmoid), to: self) }

  /// The hyperbolic tangent.
  public func tanh() -> Variable { .apply(ActivationOp(.tanh), to: self) }

  /// `eˣ`.
  public func exp() -> Variable { .apply(ActivationOp(.exp), to: self) }

  /// The natural logarithm.
  public func log() -> Variable { .apply(ActivationOp(.log), to: self) }

  /// `x²`.
  public func squared() -> Variable { .apply(ActivationOp(.square), to: self) }

  /// `√x`; the gradient at 0 is infinite.
  public func squareRoot() -> Variable { .apply(ActivationOp(.squareRoot), to: self) }

  /// `|x|`; the gradient at 0 is 0.
  public func magnitude() -> Variable { .apply(ActivationOp(.magnitude), to: self) }

  /// The error function.
  public func erf() -> Variable { .apply(ActivationOp(.erf), to: self) }
}
