import CGyroKernels
import GyroTensors

/// A two-dimensional convolution: input [N, C, H, W], weight [O, C / groups, h, w], bias [O].
struct ConvolutionOp: Op {
  let stride: (Int, Int)
  let padding: (Int, Int)
  let groups: Int

  struct Residual {
    let input: Tensor, weight: Tensor
  }

  private func geometry(_ input: Shape, _ weight: Shape) -> gyro_convolution {
    precondition(
      input.rank == 4 && weight.rank == 4,
      "convolved: expected input [N, C, H, W] and weight [O, C / groups, h, w], "
        + "not \(input) and \(weight)")
    precondition(
      groups > 0 && input[1] % groups == 0 && weight[0] % groups == 0
        && weight[1] == input[1] / groups,
      "convolved: input \(input) and weight \(weight) do not fit \(groups) groups")
    precondition(
      stride.0 > 0 && stride.1 > 0 && padding.0 >= 0 && padding.1 >= 0,
      "convolved: stride \(stride) must be positive and padding \(padding) not negative")
    precondition(
      weight.count > 0 && input[2] + 2 * padding.0 >= weight[2]
        && input[3] + 2 * padding.1 >= weight[3],
      "convolved: the kernel of weight \(weight) is larger than input \(input) "
        + "with padding \(padding)")
    return gyro_convolution(
      images: Int64(input[0]), channels: Int64(input[1]), height: Int64(input[2]),
      width: Int64(input[3]), filters: Int64(weight[0]), kernel_height: Int64(weight[2]),
      kernel_width: Int64(weight[3]), stride_y: Int64(stride.0), stride_x: Int64(stride.1),
      padding_y: Int64(padding.0), padding_x: Int64(padding.1), groups: Int64(groups),
      result_height: Int64((input[2] + 2 * padding.0 - weight[2]) / stride.0 + 1),
      result_width: Int64((input[3] + 2 * padding.1 - weight[3]) / stride.1 + 1))
  }

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let input = inputs[0].contiguous(), weight = inputs[1].contiguous()
    var shape = geometry(input.shape, weight.shape)
    if inputs.count == 3 {
      precondition(
        inputs[2].shape == [weight.shape[0]],
        "convolved: bias \(inputs[2].shape) does not fit weight \(weight.shape)")
    }
    let result = Shape([
      input.shape[0], weight.shape[0], Int(shape.result_height), Int(shape.result_width),
    ])
    let scratch = PooledBuffer(byteCount: Int(gyro_convolution_scratch(&shape)))
    let output = Tensor.filled(result) { output in
      input.withElements { input in
        weight.withElements { weight in
          if inputs.count == 3 {
            inputs[2].withElements {
              gyro_convolution_forward(&shape, input, weight, $0, output, scratch.pointer)
            }
          } else {
            gyro_convolution_forward(&shape, input, weight, nil, output, scratch.pointer)
          }
        }
      }
    }
    return (output, Residual(input: input, weight: weight))
  }

  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    var shape = geometry(residual.input.shape, residual.weight.shape)
    let scratch = PooledBuffer(byteCount: Int(gyro_convolution_scratch(&shape)))
    return cotangent.withElements { gradient in
      var gradients = [Tensor?](repeating: nil, count: needs.count)
      if needs[0] {
        gradients[0] = residual.weight.withElements { weight in
          Tensor.filled(residual.input.shape) {
            gyro_convolution_input_gradient(&shape, gradient, weight, $0, scratch.pointer)
          }
        }
      }
      if needs[1] {
        gradients[1] = residual.input.withElements { input in
          Tensor.filled(residual.weight.shape) {
            gyro_convolution_weight_gradient(&shape, input, gradient, $0, scratch.pointer)
          }
        }
      }
      if needs.count == 3, needs[2] {
        gradients[2] = Tensor.filled([residual.weight.shape[0]]) {
          gyro_channel_sums(
            shape.images, shape.filters, shape.result_height * shape.result_width, gradient, $0)
        }
      }
      return gradients
    }
  }
}

extension Variable {
  /// The convolution of images with a weight (a correlation, as in all neural network libraries):
  /// `y[n, o, i, j] = Σ x[n, c, i · stride + u − padding, j · stride + v − padding] · w[o, c, u, v]
  /// + bias[o]`, with zeros outside the image.
  ///
  /// Rounded like a matrix product: fused multiply-add where the processor has it.
  ///
  /// - Parameters:
  ///   - weight: `[O, C / groups, h, w]`, as in PyTorch.
  ///   - bias: `[O]`, or nil for none.
  ///   - stride: Steps between windows, vertical and horizontal.
  ///   - padding: Zeros on each side, vertical and horizontal.
  ///   - groups: Filters of group g see the channels of group g only. `groups == C == O` is a
  ///     depthwise convolution, which has a kernel of its own.
  /// - Returns: `[N, O, (H + 2 · padding − h) / stride + 1, …]` for an input `[N, C, H, W]`.
  public func convolved(
    weight: Variable, bias: Variable? = nil, stride: (Int, Int) = (1, 1),
    padding: (Int, Int) = (0, 0), groups: Int = 1
  ) -> Variable {
    let op = ConvolutionOp(stride: stride, padding: padding, groups: groups)
    return .apply(op, to: [self, weight] + (bias.map { [$0] } ?? []))
  }
}
