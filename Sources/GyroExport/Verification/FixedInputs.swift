import GyroAutodiff
import GyroModels
import GyroQuantization
public import GyroTensors

/// Inputs that every copy of a model can be asked about, and what it answers.
///
/// They follow from the model's shape alone, so two copies of a model are asked the same.
public enum FixedInputs {
  /// Token ids spread over the vocabulary: 64 of them, or as many as the context holds.
  public static func tokens(vocabulary: Int, context: Int) -> [Int32] {
    (0..<min(64, context)).map { Int32(($0 * 7919 + 13) % vocabulary) }
  }

  /// Four images of uniform noise in [0, 1): `[4, channels, height, width]`.
  public static func images(_ extents: [Int]) -> Tensor {
    var random = RandomStream(seed: 0).derived("verification.images")
    let shape = Shape([4] + extents)
    return Tensor(shape, elements: (0..<shape.count).map { _ in random.uniform() })
  }

  /// The logits of the model on its fixed inputs, under its scheme: `[tokens, vocabulary]` or
  /// `[4, classes]`.
  /// - Throws: `NumericFault` when a quantizer met a value that is not finite.
  public static func logits(of model: ShippedModel) throws -> Tensor {
    let instrumentation: any Instrumentation = model.plan ?? NoInstrumentation()
    let pass = ForwardPass(
      model.parameters, mode: .evaluation, instrumentation: instrumentation)
    let result: Variable
    switch model.network {
    case .language(let language):
      let shape = language.configuration
      let tokens = tokens(vocabulary: shape.vocabulary, context: shape.context)
      result = language.model(TokenWindow(tokens, batch: 1, length: tokens.count), pass)
    case .image(let image):
      result = image.model(Variable(constant: images(image.configuration.image)), pass)
    }
    if let fault = pass.fault { throw fault }
    return result.value
  }
}
