public import GyroAutodiff
import GyroTensors

/// A table of vectors, one per token: parameter `weight` `[vocabulary, width]`.
public struct Embedding: Module {
  public let weight: Parameter

  public init(_ build: ModelBuilder, vocabulary: Int, width: Int, initializer: Initializer) {
    weight = build.parameter("weight", [vocabulary, width], .embedding, initializer)
  }

  /// Looks up tokens of shape `[batch, length]`; the result is `[batch, length, width]`.
  public func callAsFunction(_ tokens: TokenWindow, _ pass: ForwardPass) -> Variable {
    pass(weight).embedding(tokens.ids)
      .reshaped([tokens.batch, tokens.length, weight.shape[1]])
  }
}

/// Token ids in a rectangle: `batch` rows of `length`.
public struct TokenWindow: Sendable, Equatable {
  public let ids: [Int32]
  public let batch: Int
  public let length: Int

  public init(_ ids: [Int32], batch: Int, length: Int) {
    precondition(
      ids.count == batch * length, "TokenWindow: \(ids.count) ids are not \(batch)×\(length)")
    self.ids = ids
    self.batch = batch
    self.length = length
  }
}
