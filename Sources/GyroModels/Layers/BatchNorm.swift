public import GyroAutodiff
import GyroTensors

/// Batch normalization of the channels of `[N, C, …]` (Ioffe and Szegedy, 2015): parameters
/// `weight` and `bias` `[C]`, buffers `running_mean` and `running_var` `[C]`.
///
/// In training it normalizes by the statistics of the batch and records them;
/// `ParameterStore.absorbBatchStatistics` moves the buffers towards them after the step. In every
/// other mode it normalizes by the buffers.
public struct BatchNorm: Module {
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
    weight = build.parameter("weight", [channels], .normalization, .ones)
    bias = build.parameter("bias", [channels], .normalization, .zeros)
    runningMean = build.buffer(RunningStatistic.mean.rawValue, [channels], .zeros)
    runningVariance = build.buffer(RunningStatistic.variance.rawValue, [channels], .ones)
    self.epsilon = epsilon
    self.limits = limits
  }

  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    guard pass.mode.isTraining else {
      return x.batchNormalized(
        mean: pass.buffer(runningMean.path), variance: pass.buffer(runningVariance.path),
        weight: pass(weight), bias: pass(bias), epsilon: epsilon, limits: limits)
    }
    let result = x.batchNormalized(
      weight: pass(weight), bias: pass(bias), epsilon: epsilon, limits: limits)
    pass.record(result.mean, at: runningMean.path)
    pass.record(result.variance * result.unbiasingFactor, at: runningVariance.path)
    return result.output
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
