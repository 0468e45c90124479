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
      model.parameters, mode: .evaluation, instrumentation: instrumentation,
      keepsDecodedWeights: false)
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

/// What a model answers to its fixed inputs, for comparison with another runtime.
public struct ReferenceLogits: Sendable, Encodable {
  /// Token ids of a language model, one row of logits for each; nil for an image classifier.
  public let tokens: [Int32]?
  /// Pixels of an image classifier, row-major; nil for a language model.
  public let images: [Float]?
  /// Rows of logits.
  public let logits: [[Float]]

  enum CodingKeys: String, CodingKey {
    case tokens = "token_ids"
    case images, logits
  }

  /// - Throws: `NumericFault` when a quantizer met a value that is not finite.
  public init(of model: ShippedModel) throws {
    let result = try FixedInputs.logits(of: model)
    let columns = result.shape.columns
    let elements = result.elements
    logits = stride(from: 0, to: elements.count, by: columns).map {
      Array(elements[$0..<$0 + columns])
    }
    tokens = model.language.map {
      FixedInputs.tokens(
        vocabulary: $0.configuration.vocabulary, context: $0.configuration.context)
    }
    images = model.image.map { FixedInputs.images($0.configuration.image).elements }
  }
}
