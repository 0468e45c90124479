import CGyroKernels

/// Losses of rows of logits, outside the tape: for evaluation, and as the forward half of the ops.
extension Tensor {
  /// The negative log-likelihood in nats of one class per row, logits `[…, classes]`; 0 for ignored
  /// rows.
  public func crossEntropyPerRow(targets: [Int32], ignoring ignored: Int32? = nil) -> [Float] {
    crossEntropyRows(targets: targets, ignoring: ignored).losses.map { Float($0) }
  }

  /// The sum in double precision of the negative log-likelihoods of one class per row, and the
  /// number of rows that counted. `exp(sum / rows)` is the perplexity.
  public func negativeLogLikelihood(
    targets: [Int32], ignoring ignored: Int32? = nil
  ) -> (sum: Double, rows: Int) {
    let rows = crossEntropyRows(targets: targets, ignoring: ignored)
    return (rows.losses.reduce(0, +), rows.terms)
  }

  /// Per row the log-sum-exp and the loss, and the number of rows that are not ignored.
  package func crossEntropyRows(
    targets: [Int32], ignoring ignored: Int32? = nil, labelSmoothing: Float = 0
  ) -> (logSumExp: Tensor, losses: [Double], terms: Int) {
    let rows = shape.rows
    let classes = shape.columns
    precondition(
      shape.rank >= 1 && targets.count == rows,
      "crossEntropy: logits \(shape) have \(rows) rows, there are \(targets.count) targets")
    precondition(
      ignored != .min, "crossEntropy: the ignored target must be above \(Int32.min)")
    precondition(
      labelSmoothing >= 0 && labelSmoothing < 1,
      "crossEntropy: label smoothing \(labelSmoothing) is outside 0 ..< 1")
    var terms = 0
    for (row, target) in targets.enumerated() where target != ignored {
      guard target >= 0 && target < classes else {
        // Targets are data, not code: the message must survive an optimised build.
        fatalError("crossEntropy: target \(target) in row \(row) is outside the \(classes) classes")
      }
      terms += 1
    }
    var losses = [Double](repeating: 0, count: rows)
    let logSumExp = withElements { logits in
      Tensor.filled([rows]) {
        gyro_cross_entropy(
          logits, targets, Int64(rows), Int64(classes), ignored ?? .min, labelSmoothing, $0,
          &losses)
      }
    }
    return (logSumExp, losses, terms)
  }
}
