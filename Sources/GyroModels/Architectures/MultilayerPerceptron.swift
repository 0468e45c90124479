public import GyroAutodiff
import GyroTensors

/// A multilayer perceptron: linear layers with a rectifier between them. Everything but the first
/// axis of the input is flattened. Paths: `layers.0.weight`, `layers.0.bias`, `layers.1.weight`, …
public struct MultilayerPerceptron: Classifier {
  let layers: [Linear]

  /// - Parameter widths: Features of the input, of each hidden layer, and of the output.
  public init(widths: [Int], bias: Bool = true, _ build: ModelBuilder) {
    precondition(
      widths.count >= 2, "MultilayerPerceptron: \(widths) needs an input and an output width")
    layers = zip(widths, widths.dropFirst()).enumerated().map { index, pair in
      Linear(build.scoped("layers").scoped("\(index)"), from: pair.0, to: pair.1, bias: bias)
    }
  }

  /// A fresh model and its parameters.
  public static func initialized(
    widths: [Int], bias: Bool = true, seed: UInt64
  ) -> (model: MultilayerPerceptron, parameters: ParameterStore) {
    let build = ModelBuilder(seed: seed)
    let model = MultilayerPerceptron(widths: widths, bias: bias, build)
    return (model, build.store)
  }

  /// Scores `[N, classes]` of examples `[N, …]`.
  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    var hidden = x.shape.rank == 2 ? x : x.reshaped([x.shape[0], -1])
    for (index, layer) in layers.enumerated() {
      hidden = layer(hidden, pass)
      if index + 1 < layers.count { hidden = hidden.relu() }
    }
    return hidden
  }
}
