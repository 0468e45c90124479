import GyroTensors

extension Variable {
  /// Activation recomputation: runs `body` without recording it, and once more, recorded, when the
  /// backward pass arrives. Memory for one block instead of all, for one more forward pass.
  ///
  /// - Parameters:
  ///   - tape: the tape of the surrounding computation.
  ///   - body: the block. It is called first with a constant and nil, then with a tracked input and
  ///     the tape on which it must place its parameters; both calls must compute the same.
  package static func recomputed(
    _ input: Variable, on tape: Tape, _ body: @escaping (Variable, Tape?) -> Variable
  ) -> Variable {
    let output = body(input.detached, nil)
    let start = input.value
    return tape.record(output.value, inputs: [input.tape == nil ? nil : input.node]) { cotangent in
      let inner = Tape()
      var gradient: Tensor?
      let leaf = inner.leaf(start) { gradient = $0 }
      inner.backward(from: body(leaf, inner), seed: cotangent)
      return [gradient]
    }
  }
}
