import GyroCheckpoints
import GyroModels
import GyroTensors

/// The image classifiers: `images` `[batch, channels, height, width]` → `logits` `[batch, classes]`.
extension ONNXForward {
  mutating func classifier(_ configuration: ImageModelConfiguration) throws(ExportError) {
    let images = graph.input(
      "images", .float, [.named("batch")] + configuration.image.map { .fixed($0) })
    let logits =
      switch configuration.architecture {
      case .lenet: try leNet(images)
      case .resnet(let widths, let blocks): try resNet(images, widths, blocks)
      case .mobilenet(let stem, let blocks): try mobileNet(images, stem, blocks)
      case .perceptron(let hidden): try perceptron(images, layers: hidden.count + 1)
      }
    graph.output(logits, as: "logits", [.named("batch"), .fixed(configuration.classes)])
  }

  // MARK: Shared pieces

  private mutating func relu(_ x: ONNXValue) -> ONNXValue { graph.unary("Relu", x) }

  /// The rows of images, all other axes in one.
  private mutating func flattened(_ x: ONNXValue) -> ONNXValue {
    let columns = x.extents.dropFirst().reduce(1) { $0 * $1! }
    return graph.reshape(x, to: [0, columns])
  }

  /// A linear layer and the site in front of it.
  private mutating func layer(
    _ x: ONNXValue, _ scope: String
  ) throws(ExportError) -> ONNXValue {
    rows(try activation(x, at: scope + ".input"), scope)
  }

  private mutating func pooled(_ x: ONNXValue) -> ONNXValue {
    let average = graph.append(
      "GlobalAveragePool", [x], extents: [x.extents[0], x.extents[1], 1, 1])
    return graph.reshape(average, to: [0, average.extents[1]!])
  }

  // MARK: Networks

  private mutating func perceptron(
    _ images: ONNXValue, layers: Int
  ) throws(ExportError) -> ONNXValue {
    var hidden = flattened(images)
    for index in 0..<layers {
      let scope = "layers.\(index)"
      graph.scope = scope
      hidden = try layer(hidden, scope)
      if index + 1 < layers { hidden = relu(hidden) }
    }
    return hidden
  }

  private mutating func leNet(_ images: ONNXValue) throws(ExportError) -> ONNXValue {
    var hidden = images
    for (scope, padding) in [("conv1", 2), ("conv2", 0)] {
      graph.scope = scope
      let seen = try activation(hidden, at: scope + ".input")
      let output = convolution(seen, scope, padding: padding)
      let largest = graph.append(
        "MaxPool", [output],
        extents: [output.extents[0], output.extents[1]]
          + output.extents.suffix(2).map { $0.map { $0 / 2 } },
        [.integers("kernel_shape", [2, 2]), .integers("strides", [2, 2])])
      hidden = relu(largest)
    }
    hidden = flattened(hidden)
    for scope in ["fc1", "fc2", "fc3"] {
      graph.scope = scope
      hidden = try layer(hidden, scope)
      if scope != "fc3" { hidden = relu(hidden) }
    }
    return hidden
  }

  private mutating func resNet(
    _ images: ONNXValue, _ widths: [Int], _ blocks: Int
  ) throws(ExportError) -> ONNXValue {
    graph.scope = "conv1"
    let seen = try activation(images, at: "conv1.input")
    var hidden = relu(batchNorm(convolution(seen, "conv1"), "bn1"))
    var width = widths[0]
    for (stage, next) in widths.enumerated() {
      for index in 0..<blocks {
        let scope = "layer\(stage + 1).\(index)"
        let stride = stage > 0 && index == 0 ? 2 : 1
        hidden = try block(hidden, scope, stride: stride, isShortened: stride != 1 || width != next)
        width = next
      }
    }
    graph.scope = "fc"
    return try layer(pooled(hidden), "fc")
  }

  private mutating func block(
    _ x: ONNXValue, _ scope: String, stride: Int, isShortened: Bool
  ) throws(ExportError) -> ONNXValue {
    graph.scope = scope
    let seen = try activation(x, at: scope + ".input")
    let first = relu(
      batchNorm(convolution(seen, scope + ".conv1", stride: stride), scope + ".bn1"))
    let input = try activation(first, at: scope + ".conv2.input")
    let change = batchNorm(convolution(input, scope + ".conv2"), scope + ".bn2")
    let kept =
      isShortened
      ? batchNorm(
        convolution(seen, scope + ".downsample.0", stride: stride), scope + ".downsample.1") : x
    return try activation(relu(graph.add(change, kept)), at: scope + ".residual")
  }

  private mutating func mobileNet(
    _ images: ONNXValue, _ stem: Int, _ blocks: [MobileNetConfiguration.Block]
  ) throws(ExportError) -> ONNXValue {
    var hidden = try normalized(images, "features.0")
    var width = stem
    for (index, block) in blocks.enumerated() {
      let scope = "features.\(index + 1)"
      hidden = try normalized(hidden, scope + ".0", stride: block.stride, groups: width)
      hidden = try normalized(hidden, scope + ".1")
      width = block.width
    }
    graph.scope = "classifier"
    return try layer(pooled(hidden), "classifier")
  }

  /// A convolution, its normalization and ReLU6.
  private mutating func normalized(
    _ x: ONNXValue, _ scope: String, stride: Int = 1, groups: Int = 1
  ) throws(ExportError) -> ONNXValue {
    graph.scope = scope
    let seen = try activation(x, at: scope + ".0.input")
    let output = convolution(seen, scope + ".0", stride: stride, groups: groups)
    return graph.clip(batchNorm(output, scope + ".1"), 0...6)
  }
}
