public import GyroAutodiff
import GyroTensors

/// A model that scores classes: `[N, …]` → logits `[N, classes]`.
public protocol Classifier: Module where Input == Variable, Output == Variable {}

extension Classifier {
  /// The mean cross-entropy, in nats, of one class per example.
  public func classificationLoss(
    _ examples: Variable, labels: [Int32], _ pass: ForwardPass, labelSmoothing: Float = 0
  ) -> Variable {
    self(examples, pass).crossEntropy(targets: labels, labelSmoothing: labelSmoothing)
  }
}
