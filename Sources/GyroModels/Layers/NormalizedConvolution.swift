public import GyroAutodiff
import GyroTensors

/// A convolution and the batch normalization of its output, seen as one, so that the second can be
/// folded into the first (2106.08295 §4.2). The paths are those of the two layers. Once the
/// normalization is folded away for good, only the convolution is left, with a bias.
public struct NormalizedConvolution: Module {
  public let convolution: Convolution
  /// nil when it is folded away.
  public let norm: BatchNorm?
  /// Limits of the result: `0 ... .infinity` is a ReLU, `0 ... 6` ReLU6.
  public let limits: ClosedRange<Float>?

  /// Names the parameters of both layers.
  /// - Parameters:
  ///   - convolution: The scope of the convolution, and `norm` that of the normalization.
  ///   - isFolded: Whether the normalization is folded away, and the convolution has a bias.
  public init(
    convolution: ModelBuilder, norm: ModelBuilder, from inputs: Int, to outputs: Int, size: Int,
    stride: Int = 1, groups: Int = 1, initializer: Initializer,
    limits: ClosedRange<Float>? = nil, isFolded: Bool, sharing input: Site? = nil
  ) {
    self.convolution = Convolution(
      convolution, from: inputs, to: outputs, size: size, stride: stride, groups: groups,
      bias: isFolded, initializer: initializer, sharing: input)
    self.norm = isFolded ? nil : BatchNorm(norm, channels: outputs, limits: limits)
    self.limits = limits
  }

  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    self(seen: pass(x, at: convolution.input), pass)
  }

  /// The same for an input that already passed its site, so that it is quantized once.
  public func callAsFunction(seen x: Variable, _ pass: ForwardPass) -> Variable {
    guard let norm else { return limited(convolution(seen: x, pass)) }
    switch pass.batchNormTreatment(of: norm.path) {
    case .live, .frozen, .collecting: return norm(convolution(seen: x, pass), pass)
    case .folded where pass.mode.isTraining: return corrected(x, norm, pass)
    case .folded, .foldedFrozen:
      let folded = norm.folded(into: convolution, pass)
      return limited(
        convolved(x, pass(folded.weight, standingFor: convolution.weight), folded.bias))
    }
  }

  /// Training with folded weights: statistics from a convolution in float, then one with weights
  /// that are folded by the running deviation and quantized, corrected by `σ_running / σ_batch`.
  private func corrected(_ x: Variable, _ norm: BatchNorm, _ pass: ForwardPass) -> Variable {
    let weight = pass.raw(convolution.weight)
    let batch = convolved(x, weight, nil).batchMoments(epsilon: norm.epsilon)
    var mean = batch.mean.value
    if let bias = convolution.bias { mean.add(pass.raw(bias).value) }
    norm.record(mean, batch.variance, count: batch.count, pass)
    let running = norm.inverseDeviation(pass.buffer(norm.runningVariance.path))
    let gain = pass(norm.weight)
    let folded = weight.scaledPerOutput(by: gain * Variable(constant: running))
    let output = convolved(x, pass(folded, standingFor: convolution.weight), nil)
    let factor = batch.inverseDeviation / Variable(constant: running)
    // A bias of the convolution is part of the mean, and cancels.
    let shift = pass(norm.bias) - gain * batch.mean * batch.inverseDeviation
    return output.scaledPerChannel(by: factor, shiftedBy: shift, limits: limits)
  }

  private func convolved(_ x: Variable, _ weight: Variable, _ bias: Variable?) -> Variable {
    x.convolved(
      weight: weight, bias: bias, stride: (convolution.stride, convolution.stride),
      padding: (convolution.padding, convolution.padding), groups: convolution.groups)
  }

  private func limited(_ x: Variable) -> Variable {
    switch limits {
    case nil: x
    case 0...Float.infinity: x.relu()
    case 0...6: x.relu6()
    case .some(let limits): x.clamped(to: limits)
    }
  }
}

extension BatchNorm {
  /// Weight and bias of a convolution that computes what it and this normalization compute by the
  /// running statistics: `W̃ = γ W / √(σ² + ε)`, `b̃ = β + γ (b − μ) / √(σ² + ε)` (2106.08295 §4.2.1).
  /// Training, folding for good and export all come here, so they agree in every bit.
  func folded(
    into convolution: Convolution, _ pass: ForwardPass
  ) -> (weight: Variable, bias: Variable) {
    let inverse = inverseDeviation(pass.buffer(runningVariance.path))
    let factor = pass(weight) * Variable(constant: inverse)
    let mean = Variable(constant: pass.buffer(runningMean.path))
    let centered = convolution.bias.map { pass.raw($0) - mean } ?? -mean
    return (
      pass.raw(convolution.weight).scaledPerOutput(by: factor), pass(bias) + factor * centered
    )
  }
}

extension Variable {
  /// A weight `[out, …]` times a factor for each output, `[out]`.
  fileprivate func scaledPerOutput(by factor: Variable) -> Variable {
    self * factor.reshaped([shape[0]] + Array(repeating: 1, count: shape.rank - 1))
  }
}
