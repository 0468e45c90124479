public import Foundation
public import GyroModels
public import GyroQuantization

/// The shape of an image classifier, as `config.json` of its folder gives it.
public struct ImageModelConfiguration: Sendable, Equatable {
  /// The architectures there are, with what each needs to know.
  public enum Architecture: Sendable, Equatable {
    case lenet
    case resnet(widths: [Int], blocksPerStage: Int)
    case mobilenet(stem: Int, blocks: [MobileNetConfiguration.Block])
    case perceptron(hidden: [Int])

    /// The name in `architectures`.
    public var name: String {
      switch self {
      case .lenet: "GyroLeNet"
      case .resnet: "GyroResNet"
      case .mobilenet: "GyroMobileNet"
      case .perceptron: "GyroMultilayerPerceptron"
      }
    }
    static let names = ["GyroLeNet", "GyroResNet", "GyroMobileNet", "GyroMultilayerPerceptron"]
  }

  public var architecture: Architecture
  /// Extents of an image: channels, height, width.
  public var image: [Int]
  public var classes: Int

  public init(_ architecture: Architecture, image: [Int], classes: Int) {
    self.architecture = architecture
    self.image = image
    self.classes = classes
  }

  /// Names the parameters of a model of this shape.
  /// - Throws: `ConfigurationError` when the architecture cannot take images of this size.
  func model(_ build: ModelBuilder) throws(ConfigurationError) -> any Classifier {
    switch architecture {
    case .lenet:
      guard image[1] == image[2], image[1] >= 10 else {
        throw .outOfRange(
          key: "image", value: "\(image)", reason: "GyroLeNet takes square images of at least 10×10"
        )
      }
      return LeNet(channels: image[0], size: image[1], classes: classes, build)
    case .resnet(let widths, let blocks):
      return ResNet(
        ResNetConfiguration(
          channels: image[0], classes: classes, widths: widths, blocksPerStage: blocks), build)
    case .mobilenet(let stem, let blocks):
      return MobileNet(
        MobileNetConfiguration(channels: image[0], classes: classes, stem: stem, blocks: blocks),
        build)
    case .perceptron(let hidden):
      return MultilayerPerceptron(widths: [image.reduce(1, *)] + hidden + [classes], build)
    }
  }
}

/// An image classifier as a folder holds it: structure, numbers and, when its weights are stored as
/// codes, the scheme they were quantized under.
public struct ImageModel: Sendable {
  public let configuration: ImageModelConfiguration
  public let model: any Classifier
  public var parameters: ParameterStore
  /// nil for a float checkpoint.
  public var scheme: QuantizationScheme?

  /// A fresh model whose initial values follow from the seed.
  /// - Throws: `ConfigurationError` when the architecture cannot take images of this size.
  public init(
    _ configuration: ImageModelConfiguration, seed: UInt64
  ) throws(ConfigurationError) {
    let build = ModelBuilder(seed: seed)
    self.configuration = configuration
    model = try configuration.model(build)
    parameters = build.store
  }

  /// Whether a folder holds an image classifier of ours.
  public static func isImageModel(_ directory: URL) -> Bool {
    struct Names: Decodable { let architectures: [String]? }
    guard let data = try? ModelFolder.configuration(of: directory),
      let name = try? JSONDecoder().decode(Names.self, from: data).architectures?.first
    else { return false }
    return ImageModelConfiguration.Architecture.names.contains(name)
  }

  /// Reads `config.json` and the weights.
  ///
  /// - Throws: `CheckpointError` (a file or tensor is missing, damaged or of another shape),
  ///   `ConfigurationError`, `QuantizationError`.
  public init(contentsOf directory: URL) throws {
    let config = try ModelFolder.configuration(of: directory)
    configuration = try ImageModelConfiguration(json: config)
    let files = try SafetensorsDirectory(contentsOf: directory)
    try configuration.check(heldBy: files.byteCount)
    let build = ModelBuilder.unfilled()
    model = try configuration.model(build)
    var parameters = build.store
    scheme = try SchemeRecord.scheme(in: config)
    _ = try ModelFolder.fill(&parameters, from: files, scheme)
    self.parameters = parameters
  }

  /// Writes the folder: weights last, so that a folder with weights is complete. Tensors on an
  /// integer grid are written as codes and scales, the others rounded to `type`.
  ///
  /// - Throws: `FileError` or `CheckpointError`; what was there before then stays.
  public func write(to directory: URL, as type: ScalarType = .float32) throws {
    try ModelFolder.create(directory)
    let config = try SchemeRecord.adding(scheme, to: configuration.json, type)
    try ModelFolder.write(parameters, scheme, to: directory, as: type) {
      try AtomicFile.write(config, to: directory.appendingPathComponent("config.json"))
    }
  }
}
