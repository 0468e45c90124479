public import GyroTensors

/// A batch normalization that went into the scales of a quantized convolution.
public struct AbsorbedBatchNorm: Sendable {
  /// The scales of the weight's codes with the normalization in them, as many as before.
  public let scales: Tensor
  /// The bias, `[out]`.
  public let bias: Tensor
  /// The outputs whose gain γ is negative, so their scales are too. A runtime that wants positive
  /// scales gets them from negating these outputs' codes, which a restricted format always allows.
  public let negated: [Int]
}

extension NormalizedConvolution {
  /// Normalization kept in training and absorbed for export (2106.08295 §4.2.3): with one scale or
  /// more for each output, `γ_k / √(σ_k² + ε)` is a factor of the scales, so the codes stay exactly
  /// as they were trained; folding it into the weights would round them anew.
  /// - Parameters:
  ///   - scales: positive scales of the weight's codes, a whole number of them for each output, in
  ///     the order of outputs.
  ///   - parameters: those of the model.
  /// - Returns: nil when there is no normalization.
  public func absorbed(scales: Tensor, _ parameters: ParameterStore) -> AbsorbedBatchNorm? {
    guard let norm else { return nil }
    let outputs = convolution.weight.shape[0]
    precondition(
      scales.count >= outputs && scales.count.isMultiple(of: outputs),
      "absorbed: \(scales.count) scales do not go into \(outputs) outputs of "
        + "\(convolution.weight.path); a scale per channel is needed")
    let inverse = norm.inverseDeviation(parameters[norm.runningVariance.path])
    let factor = parameters[norm.weight.path] * inverse
    let mean = parameters[norm.runningMean.path]
    let centered = convolution.bias.map { parameters[$0.path] - mean } ?? -mean
    let each = scales.count / outputs
    let factors = factor.elements
    return AbsorbedBatchNorm(
      scales: Tensor(
        scales.shape, elements: scales.elements.enumerated().map { $1 * factors[$0 / each] }),
      bias: parameters[norm.bias.path] + factor * centered,
      negated: factors.indices.filter { factors[$0] < 0 })
  }
}
