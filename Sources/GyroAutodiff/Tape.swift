package import GyroTensors

/// The record of one forward computation: an append-only list of nodes, so creation order is
/// already topological and the backward pass is one loop from the end to the start.
///
/// A tape belongs to one `differentiate` call and one thread; it is never stored.
package final class Tape {
  private struct Node {
    /// For each input, its node on this tape (nil for constants).
    var inputs: [Int?]
    /// Consumes the cotangent; nil once used, so residuals are freed as the pass goes.
    var pullback: ((Tensor) -> [Tensor?])?
  }

  private var nodes: [Node] = []
  private var cotangents: [Tensor?] = []

  package init() {}

  /// A place on the tape that receives a cotangent and hands it to `receive`.
  package func leaf(_ value: Tensor, receive: @escaping (Tensor) -> Void) -> Variable {
    append(inputs: []) {
      receive($0)
      return []
    }
    return Variable(value: value, tape: self, node: nodes.count - 1)
  }

  /// Records one op's result.
  func record(
    _ value: Tensor, inputs: [Int?], pullback: @escaping (Tensor) -> [Tensor?]
  ) -> Variable {
    append(inputs: inputs, pullback: pullback)
    return Variable(value: value, tape: self, node: nodes.count - 1)
  }

  private func append(inputs: [Int?], pullback: @escaping (Tensor) -> [Tensor?]) {
    nodes.append(Node(inputs: inputs, pullback: pullback))
    cotangents.append(nil)
  }

  /// Runs the backward pass from `output`, whose cotangent is `seed`.
  package func backward(from output: Variable, seed: Tensor) {
    guard output.tape === self else { return }  // a constant: nothing depends on a parameter
    cotangents[output.node] = seed
    for index in stride(from: output.node, through: 0, by: -1) {
      guard let pullback = nodes[index].pullback else { continue }
      nodes[index].pullback = nil
      guard let cotangent = cotangents[index] else { continue }
      cotangents[index] = nil
      let inputs = nodes[index].inputs
      for (input, gradient) in zip(inputs, pullback(cotangent)) {
        guard let input, let gradient else { continue }
        accumulate(gradient, at: input)
      }
    }
  }

  private func accumulate(_ gradient: Tensor, at node: Int) {
    guard var sum = cotangents[node] else {
      cotangents[node] = gradient
      return
    }
    cotangents[node] = nil  // so that `sum` is the only owner and adds in place
    sum.add(gradient)
    cotangents[node] = sum
  }
}
