public import GyroAutodiff
import GyroTensors

/// The shape of a small MobileNet.
public struct MobileNetConfiguration: Sendable, Equatable, Codable {
  /// One depthwise separable block.
  public struct Block: Sendable, Equatable, Codable {
    public var width: Int
    public var stride: Int

    public init(width: Int, stride: Int = 1) {
      self.width = width
      self.stride = stride
    }
  }

  /// Channels of the images.
  public var channels: Int
  public var classes: Int
  /// Channels of the stem, a 3 × 3 convolution of stride 1.
  public var stem: Int
  public var blocks: [Block]

  public init(
    channels: Int = 3, classes: Int = 10, stem: Int = 16,
    blocks: [Block] = [
      Block(width: 32), Block(width: 64, stride: 2), Block(width: 64),
      Block(width: 128, stride: 2), Block(width: 128),
    ]
  ) {
    self.channels = channels
    self.classes = classes
    self.stem = stem
    self.blocks = blocks
  }
}

/// A network of depthwise separable convolutions (Howard et al., 1704.04861) with ReLU6: each block
/// is a 3 × 3 depthwise and a 1 × 1 convolution, both followed by batch normalization.
///
/// Its depthwise weights have very unequal ranges per channel, which makes it the usual hard case
/// for quantization with one scale per tensor.
///
/// Paths: `features.0.0.weight` (stem), `features.0.1.running_mean`, then for block i
/// `features.i.0.0.weight` (depthwise), `features.i.0.1.…`, `features.i.1.0.weight` (1 × 1),
/// `features.i.1.1.…`, and `classifier.weight`.
public struct MobileNet: Classifier {
  public let configuration: MobileNetConfiguration
  /// Whether batch normalization is folded into the convolutions, which then have biases.
  public let isFolded: Bool
  let stem: NormalizedConvolution
  let blocks: [(depthwise: NormalizedConvolution, pointwise: NormalizedConvolution)]
  let classifier: Linear

  /// Names the model's parameters; initial values follow from the builder's seed.
  /// - Parameter isFolded: Whether the model has biases in place of batch normalization.
  public init(
    _ configuration: MobileNetConfiguration, isFolded: Bool = false, _ build: ModelBuilder
  ) {
    self.configuration = configuration
    self.isFolded = isFolded
    let features = build.scoped("features")
    var width = configuration.stem
    stem = NormalizedConvolution(
      features.scoped("0"), from: configuration.channels, to: width, size: 3,
      isFolded: isFolded)
    blocks = configuration.blocks.enumerated().map { index, block in
      let scope = features.scoped("\(index + 1)")
      defer { width = block.width }
      return (
        NormalizedConvolution(
          scope.scoped("0"), from: width, to: width, size: 3, stride: block.stride, groups: width,
          isFolded: isFolded),
        NormalizedConvolution(
          scope.scoped("1"), from: width, to: block.width, size: 1, isFolded: isFolded)
      )
    }
    classifier = Linear(build.scoped("classifier"), from: width, to: configuration.classes)
  }

  /// A fresh model and its parameters.
  public static func initialized(
    _ configuration: MobileNetConfiguration, seed: UInt64
  ) -> (model: MobileNet, parameters: ParameterStore) {
    let build = ModelBuilder(seed: seed)
    let model = MobileNet(configuration, build)
    return (model, build.store)
  }

  /// Scores `[N, classes]` of images `[N, C, H, W]`.
  public func callAsFunction(_ images: Variable, _ pass: ForwardPass) -> Variable {
    var hidden = stem(images, pass)
    for block in blocks {
      hidden = pass.block(hidden) { block.pointwise(block.depthwise($0, $1), $1) }
    }
    return classifier(hidden.globallyAveragePooled(), pass)
  }
}

extension NormalizedConvolution {
  /// A convolution, batch normalization and ReLU6: paths `0` and `1`.
  fileprivate init(
    _ build: ModelBuilder, from inputs: Int, to outputs: Int, size: Int, stride: Int = 1,
    groups: Int = 1, isFolded: Bool
  ) {
    self.init(
      convolution: build.scoped("0"), norm: build.scoped("1"), from: inputs, to: outputs,
      size: size, stride: stride, groups: groups,
      initializer: .kaiming(fanIn: size * size * outputs / groups), limits: 0...6,
      isFolded: isFolded)
  }
}
