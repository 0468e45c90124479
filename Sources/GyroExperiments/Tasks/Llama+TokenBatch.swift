public import GyroAutodiff
public import GyroDatasets
public import GyroModels

extension TokenWindow {
  /// The inputs of a batch.
  public init(_ batch: TokenBatch) {
    self.init(batch.inputs, batch: batch.batch, length: batch.length)
  }
}

extension Llama {
  /// The mean cross-entropy, in nats, of a batch's targets.
  public func nextTokenLoss(_ batch: TokenBatch, _ pass: ForwardPass) -> Variable {
    nextTokenLoss(TokenWindow(batch), targets: batch.targets, pass)
  }
}
