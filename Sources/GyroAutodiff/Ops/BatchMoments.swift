import CGyroKernels
public import GyroTensors

/// The mean of each channel of `[N, C, …]` and its inverse deviation, `[2, C]`:
/// `m = Σ x / n`, `r = 1 / √(v + ε)` with the biased variance v;
/// `d x = (dm − dr · r³ · (x − m)) / n`.
struct BatchMomentsOp: Op {
  let epsilon: Float

  struct Residual {
    let input: Tensor, moments: Tensor, variance: Tensor
  }

  private func geometry(_ shape: Shape, epsilon: Float) -> gyro_batch_norm {
    gyro_batch_norm(
      images: Int64(shape[0]), channels: Int64(shape[1]),
      plane: Int64(shape.dimensions.dropFirst(2).reduce(1, *)), epsilon: epsilon,
      lower: -.infinity, upper: .infinity)
  }

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let input = inputs[0].contiguous()
    precondition(
      input.shape.rank >= 2 && input.count > 0,
      "batchMoments: expected an input [N, C, …], not \(input.shape)")
    let channels = input.shape[1]
    var shape = geometry(input.shape, epsilon: epsilon)
    var moments = Tensor(uninitialized: [2, channels])
    var variance = Tensor(uninitialized: [channels])
    input.withElements { source in
      moments.withMutableElements { moments in
        variance.withMutableElements { variance in
          gyro_batch_norm_forward(&shape, source, nil, nil, moments, variance, nil)
          for channel in 0..<channels {
            moments[channels + channel] = inverseDeviation(variance[channel], epsilon: epsilon)
          }
        }
      }
    }
    return (moments, Residual(input: input, moments: moments, variance: variance))
  }

  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let (input, channels) = (residual.input, residual.input.shape[1])
    let count = Float(input.count / channels)
    let mean = residual.moments.sliced(axis: 0, 0..<1).reshaped([channels]).contiguous()
    let inverse = residual.moments.sliced(axis: 0, 1..<2).reshaped([channels]).contiguous()
    let ofMean = cotangent.sliced(axis: 0, 0..<1).reshaped([channels])
    let ofInverse = cotangent.sliced(axis: 0, 1..<2).reshaped([channels])
    let slope = (ofInverse * inverse * inverse * inverse * (-1 / count)).contiguous()
    let shift = (ofMean * (1 / count)).contiguous()
    // (x − m) · slope + shift is what applying a normalization of variance 1 computes.
    var shape = geometry(input.shape, epsilon: 0)
    let ones = Tensor.ones([channels])
    return [
      Tensor.filled(input.shape) { result in
        input.withElements { input in
          slope.withElements { slope in
            shift.withElements { shift in
              mean.withElements { mean in
                ones.withElements {
                  gyro_batch_norm_apply(&shape, input, slope, shift, mean, $0, result)
                }
              }
            }
          }
        }
      }
    ]
  }
}

/// `1 / √(variance + ε)`, worked out in double precision and rounded once: folding and training
/// must agree in every bit.
public func inverseDeviation(_ variance: Float, epsilon: Float) -> Float {
  Float(1 / (Double(variance) + Double(epsilon)).squareRoot())
}

/// The moments of a batch, through which gradients flow, and the numbers for a running estimate.
public struct BatchMoments {
  /// The mean of each channel, `[C]`.
  public let mean: Variable
  /// `1 / √(variance + ε)` of each channel, `[C]`.
  public let inverseDeviation: Variable
  /// The biased variance of each channel, `[C]`.
  public let variance: Tensor
  /// The number of elements each statistic was taken over.
  public let count: Int

  /// What turns the biased variance into the unbiased one.
  public var unbiasingFactor: Float { count > 1 ? Float(count) / Float(count - 1) : 1 }
}

extension Variable {
  /// The moments of each channel of `[N, C, …]`.
  public func batchMoments(epsilon: Float = 1e-5) -> BatchMoments {
    let (output, residual) = Variable.applyKeepingResidual(
      BatchMomentsOp(epsilon: epsilon), to: [self])
    let channels = shape[1]
    return BatchMoments(
      mean: output.sliced(axis: 0, 0..<1).reshaped([channels]),
      inverseDeviation: output.sliced(axis: 0, 1..<2).reshaped([channels]),
      variance: residual.variance, count: value.count / channels)
  }

  /// `x · factor + shift` for each channel of `[N, C, …]`, then limited, in one pass.
  /// - Parameters:
  ///   - factor: `[C]`, and `shift` likewise.
  ///   - limits: As in `batchNormalized`.
  public func scaledPerChannel(
    by factor: Variable, shiftedBy shift: Variable, limits: ClosedRange<Float>? = nil
  ) -> Variable {
    let channels: Shape = [shape[1]]
    return batchNormalized(
      mean: .zeros(channels), variance: .ones(channels), weight: factor, bias: shift, epsilon: 0,
      limits: limits)
  }
}
