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
  let stem: Convolution
  let stemNorm: BatchNorm
  let blocks: [ResNetBlock]
  let head: Linear

  /// Names the model's parameters; initial values follow from the builder's seed.
  public init(_ configuration: ResNetConfiguration, _ build: ModelBuilder) {
    precondition(
      !configuration.widths.isEmpty && configuration.blocksPerStage > 0,
      "ResNet: at least one stage of one block is needed")
    self.configuration = configuration
    var width = configuration.widths[0]
    stem = Convolution(
      build.scoped("conv1"), from: configuration.channels, to: width, size: 3,
      initializer: .kaiming(fanIn: 9 * width))
    stemNorm = BatchNorm(build.scoped("bn1"), channels: width, limits: 0 ... .infinity)
    var blocks: [ResNetBlock] = []
    for (stage, next) in configuration.widths.enumerated() {
      let scope = build.scoped("layer\(stage + 1)")
      for index in 0..<configuration.blocksPerStage {
        blocks.append(
          ResNetBlock(
            scope.scoped("\(index)"), from: width, to: next,
            stride: stage > 0 && index == 0 ? 2 : 1))
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
    var hidden = stemNorm(stem(images, pass), pass)
    for block in blocks { hidden = pass.block(hidden) { block($0, $1) } }
    return head(hidden.globallyAveragePooled(), pass)
  }
}

/// `relu(x + bn2(conv2(relu(bn1(conv1(x))))))`; where the shape changes, x goes through a 1 × 1
/// convolution and a normalization first.
struct ResNetBlock: Module {
  let input: Site
  let conv1, conv2: Convolution
  let norm1, norm2: BatchNorm
  let downsample: (convolution: Convolution, norm: BatchNorm)?

  init(_ build: ModelBuilder, from inputs: Int, to outputs: Int, stride: Int) {
    input = build.site("input")
    let initializer = Initializer.kaiming(fanIn: 9 * outputs)
    conv1 = Convolution(
      build.scoped("conv1"), from: inputs, to: outputs, size: 3, stride: stride,
      initializer: initializer, sharing: input)
    norm1 = BatchNorm(build.scoped("bn1"), channels: outputs, limits: 0 ... .infinity)
    conv2 = Convolution(
      build.scoped("conv2"), from: outputs, to: outputs, size: 3, initializer: initializer)
    norm2 = BatchNorm(build.scoped("bn2"), channels: outputs)
    if stride != 1 || inputs != outputs {
      let scope = build.scoped("downsample")
      downsample = (
        Convolution(
          scope.scoped("0"), from: inputs, to: outputs, size: 1, stride: stride,
          initializer: .kaiming(fanIn: outputs), sharing: input),
        BatchNorm(scope.scoped("1"), channels: outputs)
      )
    } else {
      downsample = nil
    }
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let seen = pass(x, at: input)
    let inner = norm1(conv1(seen: seen, pass), pass)
    let change = norm2(conv2(inner, pass), pass)
    let kept = downsample.map { $0.norm($0.convolution(seen: seen, pass), pass) } ?? x
    return (change + kept).relu()
  }
}
