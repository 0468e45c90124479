import CGyroKernels
public import GyroTensors

/// Batch normalization over [N, C, …], by the statistics of the batch or by given ones.
struct BatchNormOp: Op {
  let epsilon: Float
  /// Limits applied to the result (infinite for none).
  let lower: Float, upper: Float
  /// Running statistics; nil to use those of the batch.
  let statistics: (mean: Tensor, variance: Tensor)?

  struct Residual {
    let input: Tensor, weight: Tensor, bias: Tensor
    let mean: Tensor, variance: Tensor
  }

  private func geometry(_ input: Shape) -> gyro_batch_norm {
    gyro_batch_norm(
      images: Int64(input[0]), channels: Int64(input[1]),
      plane: Int64(input.dimensions.dropFirst(2).reduce(1, *)), epsilon: epsilon, lower: lower,
      upper: upper)
  }

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let input = inputs[0].contiguous(), weight = inputs[1], bias = inputs[2]
    let perChannel = Shape([input.shape.rank >= 2 ? input.shape[1] : 0])
    precondition(
      input.shape.rank >= 2 && input.count > 0 && weight.shape == perChannel
        && bias.shape == perChannel,
      "batchNormalized: expected input [N, C, …] and weight and bias [C], "
        + "not \(input.shape), \(weight.shape), \(bias.shape)")
    var shape = geometry(input.shape)
    var mean = Tensor(uninitialized: perChannel), variance = Tensor(uninitialized: perChannel)
    if let statistics {
      precondition(
        statistics.mean.shape == perChannel && statistics.variance.shape == perChannel,
        "batchNormalized: statistics \(statistics.mean.shape), \(statistics.variance.shape) "
          + "do not fit input \(input.shape)")
      (mean, variance) = statistics
    }
    let output = Tensor.filled(input.shape) { output in
      input.withElements { input in
        weight.withElements { weight in
          bias.withElements { bias in
            if statistics == nil {
              mean.withMutableElements { mean in
                variance.withMutableElements {
                  gyro_batch_norm_forward(&shape, input, weight, bias, mean, $0, output)
                }
              }
            } else {
              mean.withElements { mean in
                variance.withElements {
                  gyro_batch_norm_apply(&shape, input, weight, bias, mean, $0, output)
                }
              }
            }
          }
        }
      }
    }
    return (
      output,
      Residual(input: input, weight: weight, bias: bias, mean: mean, variance: variance)
    )
  }

  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    let input = residual.input
    var shape = geometry(input.shape)
    var weightGradient = Tensor(uninitialized: residual.weight.shape)
    var biasGradient = Tensor(uninitialized: residual.weight.shape)
    func run(_ inputGradient: UnsafeMutablePointer<Float>?) {
      cotangent.withElements { gradient in
        input.withElements { input in
          residual.weight.withElements { weight in
            residual.bias.withElements { bias in
              residual.mean.withElements { mean in
                residual.variance.withElements { variance in
                  weightGradient.withMutableElements { weightGradient in
                    biasGradient.withMutableElements {
                      gyro_batch_norm_gradient(
                        &shape, input, weight, bias, mean, variance, gradient,
                        statistics == nil ? 1 : 0, inputGradient, weightGradient, $0)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
    var inputGradient: Tensor?
    if needs[0] {
      inputGradient = Tensor.filled(input.shape) { run($0) }
    } else {
      run(nil)
    }
    return [inputGradient, needs[1] ? weightGradient : nil, needs[2] ? biasGradient : nil]
  }
}

/// The result of normalizing by the statistics of a batch, and those statistics.
public struct BatchNormalization {
  /// The normalized values.
  public let output: Variable
  /// The mean of each channel, `[C]`.
  public let mean: Tensor
  /// The biased variance of each channel (divided by `count`), `[C]`.
  public let variance: Tensor
  /// The number of elements each statistic was taken over.
  public let count: Int

  /// What turns the biased variance into the unbiased one, `count / (count − 1)`; 1 for a single
  /// element, whose variance is not defined.
  public var unbiasingFactor: Float { count > 1 ? Float(count) / Float(count - 1) : 1 }
}

extension Variable {
  /// Batch normalization in training (Ioffe and Szegedy, 2015): each channel of `[N, C, …]` is
  /// brought to mean 0 and variance 1 over the batch, then `· weight + bias`. Gradients flow
  /// through the mean and the variance.
  ///
  /// - Parameters:
  ///   - weight: `[C]`.
  ///   - bias: `[C]`.
  ///   - epsilon: Added to the variance.
  ///   - limits: Limits the result, in the same pass: `0 ... .infinity` is a fused ReLU, `0 ... 6`
  ///     ReLU6. The gradient is zero where a limit is reached.
  /// - Returns: the values, and the statistics for a running estimate.
  public func batchNormalized(
    weight: Variable, bias: Variable, epsilon: Float = 1e-5, limits: ClosedRange<Float>? = nil
  ) -> BatchNormalization {
    let op = BatchNormOp(
      epsilon: epsilon, lower: limits?.lowerBound ?? -.infinity,
      upper: limits?.upperBound ?? .infinity, statistics: nil)
    let (output, residual) = Variable.applyKeepingResidual(op, to: [self, weight, bias])
    return BatchNormalization(
      output: output, mean: residual.mean, variance: residual.variance,
      count: value.count / max(shape[1], 1))
  }

  /// Batch normalization in evaluation: by a given mean and variance, which are constants.
  ///
  /// - Parameters:
  ///   - mean: `[C]`, and `variance` likewise.
  ///   - weight: `[C]`.
  ///   - bias: `[C]`.
  ///   - epsilon: Added to the variance.
  ///   - limits: Limits the result, as above.
  public func batchNormalized(
    mean: Tensor, variance: Tensor, weight: Variable, bias: Variable, epsilon: Float = 1e-5,
    limits: ClosedRange<Float>? = nil
  ) -> Variable {
    let op = BatchNormOp(
      epsilon: epsilon, lower: limits?.lowerBound ?? -.infinity,
      upper: limits?.upperBound ?? .infinity, statistics: (mean, variance))
    return .apply(op, to: self, weight, bias)
  }
}
