public import GyroAutodiff
import GyroTensors

/// The shape of a residual network for small images.
public struct ResNetConfiguration: Sendable, Equatable, Codable {
  /// Channels of the images.
  public var channels: Int
  public var classes: Int
  /// Channels of each stage; every stage but the first halves the image.
  public var widths: [Int]
  /// Basic blocks (of two convolutions) in each stage.
  public var blocksPerStage: Int

  public init(
    channels: Int = 3, classes: Int = 10, widths: [Int] = [16, 32, 64], blocksPerStage: Int = 3
  ) {
    self.channels = channels
    self.classes = classes
    self.widths = widths
    self.blocksPerStage = blocksPerStage
  }

  /// ResNet-20 (He et al., 1512.03385, §4.2).
  public static func resNet20(channels: Int = 3, classes: Int = 10) -> ResNetConfiguration {
    ResNetConfiguration(channels: channels, classes: classes)
  }
}

/// A residual network for small images (He et al., 1512.03385, §4.2): a 3 × 3 stem, stages of basic
/// blocks, global average pooling, one linear layer.
///
/// Paths are torchvision's: `conv1.weight`, `bn1.running_mean`, `layer1.0.conv1.weight`,
/// `layer2.0.downsample.0.weight`, `fc.weight`. Activation sites are the inputs of convolutions and
/// of `fc`; a block's first convolution and its `downsample` share one, `layer2.0.input`.
public struct ResNet: Classifier {
  public let configuration: ResNetConfiguration
  /// Whether batch normalization is folded into the convolutions, which then have biases.
  public let isFolded: Bool
  let stem: NormalizedConvolution
  let blocks: [ResNetBlock]
  let head: Linear

  /// Names the model's parameters; initial values follow from the builder's seed.
  /// - Parameter isFolded: Whether the model has biases in place of batch normalization.
  public init(
    _ configuration: ResNetConfiguration, isFolded: Bool = false, _ build: ModelBuilder
  ) {
    precondition(
      !configuration.widths.isEmpty && configuration.blocksPerStage > 0,
      "ResNet: at least one stage of one block is needed")
    self.configuration = configuration
    self.isFolded = isFolded
    var width = configuration.widths[0]
    stem = NormalizedConvolution(
      convolution: build.scoped("conv1"), norm: build.scoped("bn1"), from: configuration.channels,
      to: width, size: 3, initializer: .kaiming(fanIn: 9 * width), limits: 0 ... .infinity,
      isFolded: isFolded)
    var blocks: [ResNetBlock] = []
    for (stage, next) in configuration.widths.enumerated() {
      let scope = build.scoped("layer\(stage + 1)")
      for index in 0..<configuration.blocksPerStage {
        blocks.append(
          ResNetBlock(
            scope.scoped("\(index)"), from: width, to: next,
            stride: stage > 0 && index == 0 ? 2 : 1, isFolded: isFolded))
        width = next
      }
    }
    self.blocks = blocks
    head = Linear(build.scoped("fc"), from: width, to: configuration.classes)
  }

  /// A fresh model and its parameters.
  public static func initialized(
    _ configuration: ResNetConfiguration, seed: UInt64
  ) -> (model: ResNet, parameters: ParameterStore) {
    let build = ModelBuilder(seed: seed)
    let model = ResNet(configuration, build)
    return (model, build.store)
  }

  /// Scores `[N, classes]` of images `[N, C, H, W]`.
  public func callAsFunction(_ images: Variable, _ pass: ForwardPass) -> Variable {
    var hidden = stem(images, pass)
    for block in blocks { hidden = pass.block(hidden) { block($0, $1) } }
    return head(hidden.globallyAveragePooled(), pass)
  }
}

/// `relu(x + bn2(conv2(relu(bn1(conv1(x))))))`; where the shape changes, x goes through a 1 × 1
/// convolution and a normalization first.
struct ResNetBlock: Module {
  let input, sum: Site
  let first, second: NormalizedConvolution
  let downsample: NormalizedConvolution?

  init(
    _ build: ModelBuilder, from inputs: Int, to outputs: Int, stride: Int, isFolded: Bool
  ) {
    input = build.site("input")
    sum = build.site("residual", kind: .residual)
    let initializer = Initializer.kaiming(fanIn: 9 * outputs)
    first = NormalizedConvolution(
      convolution: build.scoped("conv1"), norm: build.scoped("bn1"), from: inputs, to: outputs,
      size: 3, stride: stride, initializer: initializer, limits: 0 ... .infinity,
      isFolded: isFolded, sharing: input)
    second = NormalizedConvolution(
      convolution: build.scoped("conv2"), norm: build.scoped("bn2"), from: outputs, to: outputs,
      size: 3, initializer: initializer, isFolded: isFolded)
    if stride != 1 || inputs != outputs {
      let scope = build.scoped("downsample")
      downsample = NormalizedConvolution(
        convolution: scope.scoped("0"), norm: scope.scoped("1"), from: inputs, to: outputs, size: 1,
        stride: stride, initializer: .kaiming(fanIn: outputs), isFolded: isFolded, sharing: input)
    } else {
      downsample = nil
    }
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let seen = pass(x, at: input)
    let change = second(first(seen: seen, pass), pass)
    let kept = downsample?(seen: seen, pass) ?? x
    return pass((change + kept).relu(), at: sum)
  }
}
