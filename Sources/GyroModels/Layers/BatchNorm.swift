public import GyroAutodiff
import GyroTensors

/// Batch normalization of the channels of `[N, C, …]` (Ioffe and Szegedy, 2015): parameters
/// `weight` and `bias` `[C]`, buffers `running_mean` and `running_var` `[C]`.
///
/// In training it normalizes by the statistics of the batch and records them;
/// `ParameterStore.absorbBatchStatistics` moves the buffers towards them after the step. In every
/// other mode it normalizes by the buffers. An instrumentation may choose otherwise
/// (``BatchNormTreatment``).
public struct BatchNorm: Module {
  /// The path of the layer, e.g. `bn1`.
  public let path: ParameterPath
  public let weight: Parameter
  public let bias: Parameter
  public let runningMean: Parameter
  public let runningVariance: Parameter
  public let epsilon: Float
  /// Limits the result in the same pass: `0 ... .infinity` fuses a ReLU, `0 ... 6` ReLU6.
  public let limits: ClosedRange<Float>?

  public init(
    _ build: ModelBuilder, channels: Int, epsilon: Float = 1e-5,
    limits: ClosedRange<Float>? = nil
  ) {
    path = build.path
    weight = build.parameter("weight", [channels], .normalization, .ones)
    bias = build.parameter("bias", [channels], .normalization, .zeros)
    runningMean = build.buffer(RunningStatistic.mean.rawValue, [channels], .zeros)
    runningVariance = build.buffer(RunningStatistic.variance.rawValue, [channels], .ones)
    self.epsilon = epsilon
    self.limits = limits
  }

  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let treatment = pass.batchNormTreatment(of: path)
    switch treatment {
    case .live, .folded: if !pass.mode.isTraining { return running(x, pass) }
    case .frozen, .foldedFrozen: return running(x, pass)
    case .collecting: break
    }
    let result = x.batchNormalized(
      weight: pass(weight), bias: pass(bias), epsilon: epsilon, limits: limits)
    record(
      result.mean, result.variance, count: result.count, pass, withCount: treatment == .collecting)
    return result.output
  }

  private func running(_ x: Variable, _ pass: ForwardPass) -> Variable {
    x.batchNormalized(
      mean: pass.buffer(runningMean.path), variance: pass.buffer(runningVariance.path),
      weight: pass(weight), bias: pass(bias), epsilon: epsilon, limits: limits)
  }

  /// Records the statistics of a batch for the running ones, the variance unbiased.
  func record(
    _ mean: Tensor, _ variance: Tensor, count: Int, _ pass: ForwardPass, withCount: Bool = false
  ) {
    let unbiasing = count > 1 ? Float(count) / Float(count - 1) : 1
    pass.record(mean, at: runningMean.path)
    pass.record(variance * unbiasing, at: runningVariance.path)
    if withCount { pass.record(Tensor(scalar: Float(count)), at: countPath) }
  }

  /// Where the number of elements behind recorded statistics is found.
  var countPath: ParameterPath { path.appending("batch_count") }

  /// `1 / √(σ² + ε)` of the running variance, `[C]`.
  func inverseDeviation(_ variance: Tensor) -> Tensor {
    Tensor(
      variance.shape,
      elements: variance.elements.map { GyroAutodiff.inverseDeviation($0, epsilon: epsilon) })
  }
}

/// The names of batch normalization's buffers, as in PyTorch.
private enum RunningStatistic: String, CaseIterable {
  case mean = "running_mean"
  case variance = "running_var"

  static func owns(_ path: ParameterPath) -> Bool {
    allCases.contains { path.name == $0.rawValue || path.name.hasSuffix("." + $0.rawValue) }
  }
}

extension ParameterStore {
  /// Moves the running statistics of batch normalization towards those of a batch:
  /// `running ← (1 − momentum) · running + momentum · batch`, the variance unbiased (PyTorch's
  /// convention). Statistics of other layers are left to their owners.
  public mutating func absorbBatchStatistics(_ statistics: Statistics, momentum: Float = 0.1) {
    for (path, batch) in statistics where RunningStatistic.owns(path) {
      update(path) { running in
        running.scale(by: 1 - momentum)
        running.add(batch, scaledBy: momentum)
      }
    }
  }
}
