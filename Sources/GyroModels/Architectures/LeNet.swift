public import GyroAutodiff
import GyroTensors

/// LeNet-5 (LeCun et al., 1998) with rectifiers and maximum pooling, as it is taught today: two
/// convolutions of 5 × 5 and three linear layers. Paths: `conv1`, `conv2`, `fc1`, `fc2`, `fc3`.
public struct LeNet: Classifier {
  let conv1, conv2: Convolution
  let fc1, fc2, fc3: Linear

  /// - Parameters:
  ///   - channels: Channels of the images.
  ///   - size: Height and width of the images, at least 10.
  public init(channels: Int = 1, size: Int = 28, classes: Int = 10, _ build: ModelBuilder) {
    // Padding keeps the first extent; each pooling halves; the second convolution loses 4.
    let last = (size / 2 - 4) / 2
    precondition(last > 0, "LeNet: images of \(size)×\(size) are too small")
    conv1 = Convolution(build.scoped("conv1"), from: channels, to: 6, size: 5, bias: true)
    conv2 = Convolution(
      build.scoped("conv2"), from: 6, to: 16, size: 5, padding: 0, bias: true)
    fc1 = Linear(build.scoped("fc1"), from: 16 * last * last, to: 120)
    fc2 = Linear(build.scoped("fc2"), from: 120, to: 84)
    fc3 = Linear(build.scoped("fc3"), from: 84, to: classes)
  }

  /// A fresh model and its parameters.
  public static func initialized(
    channels: Int = 1, size: Int = 28, classes: Int = 10, seed: UInt64
  ) -> (model: LeNet, parameters: ParameterStore) {
    let build = ModelBuilder(seed: seed)
    let model = LeNet(channels: channels, size: size, classes: classes, build)
    return (model, build.store)
  }

  /// Scores `[N, classes]` of images `[N, C, size, size]`.
  public func callAsFunction(_ images: Variable, _ pass: ForwardPass) -> Variable {
    // Pooling first: it commutes with the rectifier, which then has a quarter of the work.
    let first = conv1(images, pass).maxPooled(size: (2, 2)).relu()
    let second = conv2(first, pass).maxPooled(size: (2, 2)).relu()
    let flat = second.reshaped([images.shape[0], -1])
    return fc3(fc2(fc1(flat, pass).relu(), pass).relu(), pass)
  }
}
