import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroPostTraining

/// Plain, depthwise and strided convolutions, and a linear layer.
private struct SmallNet: Classifier {
  let first, depthwise, second: Convolution
  let head: Linear

  init(_ build: ModelBuilder) {
    first = Convolution(build.scoped("first"), from: 2, to: 6, size: 3, bias: true)
    depthwise = Convolution(build.scoped("depthwise"), from: 6, to: 6, size: 3, groups: 6)
    second = Convolution(build.scoped("second"), from: 6, to: 8, size: 3, stride: 2, padding: 0)
    head = Linear(build.scoped("head"), from: 8 * 9, to: 5)
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let hidden = second(depthwise(first(x, pass).relu(), pass).relu(), pass).relu()
    return head(hidden.reshaped([x.shape[0], 8 * 9]), pass)
  }
}

@Suite struct GPTQClassifierTests {
  private let build: ModelBuilder
  private let net: SmallNet
  private let examples: [Tensor]
  private let geometry: [ParameterPath: ConvolutionGeometry] = [
    "second.weight": ConvolutionGeometry(stride: 2, padding: 0)
  ]

  init() {
    build = ModelBuilder(seed: 4)
    net = SmallNet(build)
    var random = RandomStream(seed: 5)
    examples = (0..<3).map { _ in random.normal([10, 2, 8, 8]) }
  }

  @Test(arguments: [(1, 1), (2, 0), (1, 0), (3, 2)])
  func patchesTimesAKernelAreAConvolution(_ stride: Int, _ padding: Int) {
    var random = RandomStream(seed: 6)
    let images = random.normal([2, 4, 9, 7]), kernel = random.normal([5, 2, 3, 3])
    let geometry = ConvolutionGeometry(stride: stride, padding: padding)
    // The second group of channels of the second image.
    let patches = geometry.patches(of: images, image: 1, channels: 2..<4, height: 3, width: 3)
    let product = patches.matmul(kernel.reshaped([5, 18]), transposingOther: true)
    let part = images.sliced(axis: 0, 1..<2).sliced(axis: 1, 2..<4).contiguous()
    let output = Variable(constant: part).convolved(
      weight: Variable(constant: kernel), bias: nil, stride: (stride, stride),
      padding: (padding, padding), groups: 1
    ).value
    let expected = output.reshaped([5, output.count / 5]).transposed().contiguous()
    expectClose(product, expected, relative: 1e-4, absolute: 1e-5)
  }

  @Test(arguments: [true, false]) func everyLayerLosesLessThanByPlainRounding(
    _ isSequential: Bool
  ) throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int3", granularity: .channel))
    let plan = try QuantizationPlan(scheme, for: build.store)
    let outcome = try GPTQ().quantize(
      net, build.store, under: plan, calibratedOn: examples, geometry: geometry,
      CalibrationOptions(isSequential: isSequential))
    #expect(
      outcome.layers.map(\.path.name)
        == ["first.weight", "depthwise.weight", "second.weight", "head.weight"])
    #expect(outcome.layers.map(\.samples) == [1920, 1920, 270, 30])
    // The inputs of the first layer are noise, which leaves nothing to win.
    for layer in outcome.layers.dropFirst() {
      #expect(layer.error < layer.roundingError, "\(layer.path)")
    }
    let frozen = try plan.frozen(outcome.parameters)
    for layer in outcome.layers {
      expectSameBits(frozen[layer.path], outcome.parameters[layer.path])
      #expect(frozen[layer.path].encoded != nil)
    }
  }

  /// Each depthwise channel is a layer of its own.
  @Test func groupsOfChannelsHaveTheirOwnHessians() throws {
    var random = RandomStream(seed: 8)
    let weight = random.normal([6, 1, 3, 3]), matrix = weight.reshaped([6, 9])
    let hessians = try (0..<6).map {
      try hessian(of: correlatedInputs(100, 9, seed: UInt64($0)))
    }
    for granularity in [Granularity.channel, .tensor, .group(3)] {
      let quantizer = try Quantizer(IntegerFormat(bits: 3), granularity)
      let scales = try quantizer.scales(covering: weight)
      let together = try GPTQ().quantized(
        weight, hessians: hessians, quantizer: quantizer, scales: nil, range: .minMax, at: "conv")
      expectSame(together.codes.scales.scales.elements, scales.scales.elements)
      let perRow = scales.scales.count / 6
      for channel in 0..<6 {
        let own =
          perRow == 0
          ? scales.scales
          : scales.scales.sliced(axis: 0, channel * perRow..<(channel + 1) * perRow).copied()
        let alone = try GPTQ().quantized(
          matrix.sliced(axis: 0, channel..<channel + 1), hessian: hessians[channel],
          quantizer: quantizer, scales: GroupScales(scales: own))
        expectSame(
          Array(together.codes.codeArray[channel * 9..<(channel + 1) * 9]), alone.codes.codeArray)
      }
    }
  }

  @Test func blocksOfAKernelAreRefused() throws {
    let quantizer = try Quantizer(IntegerFormat(bits: 4), .block(rows: 3, columns: 3))
    let error = #expect(throws: PostTrainingError.self) {
      try GPTQ().quantized(
        build.store["first.weight"], hessian: Hessian(Matrix64.identity(18)),
        quantizer: quantizer, at: "first.weight")
    }
    #expect(
      error?.description
        == "first.weight: blocks of a convolution's kernel cut across its outputs; "
        + "use the granularity 'channel' or groups")
  }

  @Test func withoutBatchesTheSiteIsNamed() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int3", granularity: .channel))
    let plan = try QuantizationPlan(scheme, for: build.store)
    let error = #expect(throws: PostTrainingError.self) {
      try GPTQ().quantize(net, build.store, under: plan, calibratedOn: [])
    }
    #expect(
      error?.description
        == "no calibration sample reached first.input; calibrate on at least one batch that runs "
        + "through the whole model")
  }
}
