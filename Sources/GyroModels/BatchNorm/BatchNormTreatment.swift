/// How a batch normalization, and the convolution before it, are computed; an instrumentation
/// chooses (2106.08295 §4.2; Krishnamoorthi, 1806.08342 §3.2.2).
public enum BatchNormTreatment: String, Sendable, Hashable, Codable, CaseIterable {
  /// By the statistics of the batch in training, which are recorded; by the running ones otherwise.
  case live
  /// By the running statistics in every mode. Weights are quantized as they are, and the
  /// normalization is kept; it can be absorbed into per-channel scales afterwards.
  case frozen
  /// Weights are quantized with the normalization folded into them, by the running deviation, so
  /// that rounding is what it will be in deployment and does not follow every batch. In training a
  /// first convolution in float gives the statistics of the batch, and the output of the second is
  /// corrected by `σ_running / σ_batch`. Without quantization that is exactly `live`.
  case folded
  /// The same with the running statistics in every mode: what deployment computes.
  case foldedFrozen = "folded-frozen"
  /// By the statistics of the batch in every mode, recorded with their count: for re-estimation.
  case collecting
}
