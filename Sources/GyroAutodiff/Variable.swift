public import GyroTensors

/// A tensor and, while differentiating, its place on the tape. Constants have no place, and
/// computing with constants alone records nothing.
public struct Variable {
  /// The value.
  public let value: Tensor
  let tape: Tape?
  let node: Int

  init(value: Tensor, tape: Tape?, node: Int) {
    self.value = value
    self.tape = tape
    self.node = node
  }

  /// A value that nothing is differentiated with respect to.
  public init(constant value: Tensor) { self.init(value: value, tape: nil, node: -1) }

  /// The extents of the value.
  public var shape: Shape { value.shape }

  /// The same value, cut off from the tape: its gradient is zero.
  public var detached: Variable { Variable(constant: value) }

  /// Whether a gradient would flow into this variable.
  public var isTracked: Bool { tape != nil }

  /// Applies an op to its inputs, recording it when any input is tracked.
  public static func apply<O: Op>(_ op: O, to inputs: [Variable]) -> Variable {
    applyKeepingResidual(op, to: inputs).output
  }

  /// The same, for an op whose residual holds something the caller wants, e.g. batch statistics.
  static func applyKeepingResidual<O: Op>(
    _ op: O, to inputs: [Variable]
  ) -> (output: Variable, residual: O.Residual) {
    let (output, residual) = op.forward(inputs.map(\.value))
    guard let tape = inputs.lazy.compactMap(\.tape).first else {
      return (Variable(constant: output), residual)
    }
    let needs = inputs.map(\.isTracked)
    let variable = tape.record(output, inputs: inputs.map { $0.tape == nil ? nil : $0.node }) {
      op.pullback($0, residual, needs: needs)
    }
    return (variable, residual)
  }

  /// Applies an op to its inputs.
  public static func apply<O: Op>(_ op: O, to inputs: Variable...) -> Variable {
    apply(op, to: inputs)
  }
}

/// The value of `body` and its gradients with respect to `inputs`.
///
/// - Parameter cotangent: the weight of each output element; ones when nil, so a scalar loss needs
///   none.
/// - Returns: the output and one gradient per input (zeros where the output does not depend on it).
public func valueAndGradients(
  of inputs: [Tensor], cotangent: Tensor? = nil, _ body: ([Variable]) throws -> Variable
) rethrows -> (value: Tensor, gradients: [Tensor]) {
  let tape = Tape()
  var gradients = [Tensor?](repeating: nil, count: inputs.count)
  let leaves = inputs.enumerated().map { index, input in
    tape.leaf(input) { gradients[index] = $0 }
  }
  let output = try body(leaves)
  tape.backward(from: output, seed: cotangent ?? .ones(output.shape))
  return (output.value, zip(inputs, gradients).map { $1 ?? .zeros($0.shape) })
}
