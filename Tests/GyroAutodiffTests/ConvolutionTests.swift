import CGyroKernels
import CGyroParallel
import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

/// One convolution of the law tests.
struct ConvolutionCase: Sendable, CustomTestStringConvertible {
  let input: [Int], filters: Int
  let kernel: (Int, Int), stride: (Int, Int), padding: (Int, Int)
  let groups: Int

  init(
    _ input: [Int], _ filters: Int, _ kernel: (Int, Int), stride: (Int, Int) = (1, 1),
    padding: (Int, Int) = (0, 0), groups: Int = 1
  ) {
    self.input = input
    self.filters = filters
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.groups = groups
  }

  var testDescription: String {
    "\(input) * \(filters) of \(kernel), stride \(stride), padding \(padding), groups \(groups)"
  }

  var tensors: (input: Tensor, weight: Tensor, bias: Tensor) {
    var random = RandomStream(seed: 3)
    return (
      random.normal(Shape(input)),
      random.normal([filters, input[1] / groups, kernel.0, kernel.1]), random.normal([filters])
    )
  }

  func apply(_ inputs: [Variable]) -> Variable {
    inputs[0].convolved(
      weight: inputs[1], bias: inputs.count > 2 ? inputs[2] : nil, stride: stride,
      padding: padding, groups: groups)
  }

  static let all = [
    ConvolutionCase([2, 3, 7, 9], 5, (3, 3), padding: (1, 1)),
    ConvolutionCase([3, 4, 8, 7], 9, (3, 3), stride: (2, 2), padding: (1, 1)),
    ConvolutionCase([2, 6, 7, 5], 4, (3, 2), stride: (2, 1), padding: (0, 2), groups: 2),
    ConvolutionCase([3, 5, 9, 6], 5, (3, 3), padding: (1, 1), groups: 5),
    ConvolutionCase([2, 4, 11, 8], 4, (5, 3), stride: (2, 2), padding: (2, 1), groups: 4),
    ConvolutionCase([2, 3, 6, 6], 6, (3, 3), padding: (1, 1), groups: 3),
    ConvolutionCase([4, 5, 6, 7], 11, (1, 1)),
    ConvolutionCase([2, 3, 9, 9], 4, (1, 1), stride: (2, 2)),
    ConvolutionCase([1, 2, 5, 5], 3, (1, 1), stride: (3, 3), padding: (1, 1)),
    ConvolutionCase([2, 1, 5, 5], 2, (5, 5)),
    ConvolutionCase([1, 2, 3, 3], 2, (3, 3), padding: (2, 2)),
    ConvolutionCase([2, 2, 90, 70], 3, (3, 3), padding: (1, 1)),
    ConvolutionCase([1, 3, 61, 67], 10, (7, 7), stride: (2, 2), padding: (3, 3)),
    ConvolutionCase([40, 8, 7, 7], 17, (3, 3), padding: (1, 1)),
  ]
}

@Suite struct ConvolutionTests {
  /// The definition, through the C reference.
  private func reference(
    _ c: ConvolutionCase, _ input: Tensor, _ weight: Tensor, _ bias: Tensor, _ cotangent: Tensor
  ) -> (output: Tensor, gradients: [Tensor]) {
    var shape = gyro_convolution(
      images: Int64(c.input[0]), channels: Int64(c.input[1]), height: Int64(c.input[2]),
      width: Int64(c.input[3]), filters: Int64(c.filters), kernel_height: Int64(c.kernel.0),
      kernel_width: Int64(c.kernel.1), stride_y: Int64(c.stride.0), stride_x: Int64(c.stride.1),
      padding_y: Int64(c.padding.0), padding_x: Int64(c.padding.1), groups: Int64(c.groups),
      result_height: Int64(cotangent.shape[2]), result_width: Int64(cotangent.shape[3]))
    let scratch = PooledBuffer(byteCount: Int(gyro_reference_convolution_scratch(&shape)))
    let sums = scratch.pointer.assumingMemoryBound(to: Double.self)
    return input.withElements { x in
      weight.withElements { w in
        bias.withElements { b in
          cotangent.withElements { g in
            (
              Tensor.filled(cotangent.shape) {
                gyro_reference_convolution_forward(&shape, x, w, b, $0, sums)
              },
              [
                Tensor.filled(input.shape) {
                  gyro_reference_convolution_input_gradient(&shape, g, w, $0, sums)
                },
                Tensor.filled(weight.shape) {
                  gyro_reference_convolution_weight_gradient(&shape, x, g, $0, sums)
                },
                cotangent.sum(axes: [0, 2, 3]),
              ]
            )
          }
        }
      }
    }
  }

  @Test(arguments: ConvolutionCase.all)
  func `values and gradients equal plain loops in double precision`(_ c: ConvolutionCase) {
    let (input, weight, bias) = c.tensors
    let plain = c.apply([input, weight, bias].map { Variable(constant: $0) }).value
    var random = RandomStream(seed: 8)
    let cotangent = random.normal(plain.shape)
    let (value, gradients) = valueAndGradients(
      of: [input, weight, bias], cotangent: cotangent, c.apply)
    let expected = reference(c, input, weight, bias, cotangent)
    expectClose(value, expected.output, relative: 1e-5, absolute: 2e-5)
    for (gradient, wanted) in zip(gradients, expected.gradients) {
      expectClose(gradient, wanted, relative: 1e-5, absolute: 2e-4)
    }
  }

  @Test(arguments: ConvolutionCase.all.prefix(6))
  func `gradients are the derivatives`(_ c: ConvolutionCase) {
    let (input, weight, bias) = c.tensors
    checkGradients(of: [input, weight, bias]) { c.apply($0) }
    checkGradients(of: [input, weight]) { c.apply($0) }
    let op = ConvolutionOp(stride: c.stride, padding: c.padding, groups: c.groups)
    checkNeeds(op, [input, weight, bias])
  }

  @Test func `a small case by hand`() {
    let input = Tensor([1, 1, 2, 3], elements: [1, 2, 3, 4, 5, 6])
    let weight = Tensor([1, 1, 2, 2], elements: [10, 20, 30, 40])
    let result = Variable(constant: input).convolved(weight: Variable(constant: weight)).value
    // 10·1 + 20·2 + 30·4 + 40·5, then one place to the right.
    #expect(result.shape == [1, 1, 1, 2])
    #expect(result.elements == [370, 470])
  }

  @Test(arguments: ConvolutionCase.all)
  func `the same call gives the same bits`(_ c: ConvolutionCase) {
    let (input, weight, bias) = c.tensors
    let first = valueAndGradients(of: [input, weight, bias], c.apply)
    let second = valueAndGradients(of: [input, weight, bias], c.apply)
    expectSameBits(first.value, second.value)
    for (a, b) in zip(first.gradients, second.gradients) { expectSameBits(a, b) }
  }

  @Test func `a strided view is convolved like its copy`() {
    var random = RandomStream(seed: 5)
    let view = random.normal([5, 4, 3, 2]).permuted([3, 2, 1, 0])
    let weight = Variable(constant: random.normal([2, 3, 3, 3]))
    let a = Variable(constant: view).convolved(weight: weight, padding: (1, 1)).value
    let b = Variable(constant: view.copied()).convolved(weight: weight, padding: (1, 1)).value
    expectSameBits(a, b)
  }
}
