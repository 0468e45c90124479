public import GyroTensors

/// Where the soft targets of distillation come from.
public enum DistillationTeacher: Sendable {
  /// A teacher's logits, of the student's shape.
  case logits(Tensor, temperature: Float = 1)
  /// A teacher's likeliest classes.
  case cache(TeacherCache)
}

extension Variable {
  /// The loss of quantization-aware training with a float teacher:
  /// `share · KL(teacher ‖ student) + (1 − share) · cross-entropy`, means over rows.
  ///
  /// LSQ (Esser et al., 1902.08153 §2.4) weighs the two 1 : 1 at temperature 1: that is `share` ½
  /// but for a factor 2. Where the share is 0 or 1, only one loss is computed.
  /// - Parameters:
  ///   - teacher: a constant.
  ///   - targets: one class per row.
  ///   - share: of the divergence, in 0…1; a milestone's `distillation`.
  ///   - ignored: a target that marks rows without cross-entropy.
  /// - Returns: a scalar in nats.
  public func distillationLoss(
    toward teacher: DistillationTeacher, targets: [Int32], share: Float,
    ignoring ignored: Int32? = nil
  ) -> Variable {
    precondition((0...1).contains(share), "distillationLoss: the share is \(share), not in 0…1")
    func divergence() -> Variable {
      switch teacher {
      case .logits(let logits, let temperature):
        kullbackLeibler(toTeacher: logits, temperature: temperature)
      case .cache(let cache): kullbackLeibler(toTeacher: cache)
      }
    }
    if share == 1 { return divergence() }
    let own = crossEntropy(targets: targets, ignoring: ignored)
    return share == 0 ? own : divergence() * share + own * (1 - share)
  }

  /// The mean squared difference between this output of a quantized block and that of its float
  /// original, a constant (Li et al., 2102.05426 §3.2, without the Fisher weights).
  public func reconstructionLoss(of original: Tensor) -> Variable {
    meanSquareError(to: Variable(constant: original))
  }
}
