import GyroAutodiff
import GyroModels
import GyroTensors
import TestSupport
import Testing

@Suite struct ClassifierTests {
  /// Images whose class shows in the brightness of their upper half.
  private func examples(
    _ count: Int, channels: Int, size: Int
  ) -> (images: Variable, labels: [Int32]) {
    var random = RandomStream(seed: 7)
    var images = random.normal([count, channels, size, size], standardDeviation: 0.5)
    let labels = (0..<count).map { Int32($0 % 3) }
    let plane = size * size
    images.withMutableElements { pixels in
      for image in 0..<count {
        for channel in 0..<channels {
          for i in 0..<plane / 2 {
            pixels[(image * channels + channel) * plane + i] += 2 * Float(labels[image]) - 2
          }
        }
      }
    }
    return (Variable(constant: images), labels)
  }

  /// Plain gradient descent lowers the loss, every parameter has a gradient, and the trained model
  /// sorts its examples.
  private func learns<Model: Classifier>(
    _ model: Model, _ initial: ParameterStore, channels: Int, size: Int, rate: Float,
    steps: Int = 30, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var store = initial
    let (images, labels) = examples(24, channels: channels, size: size)
    var losses: [Float] = []
    for step in 0..<steps {
      let result = try differentiate(store, mode: .training(step: step)) {
        model.classificationLoss(images, labels: labels, $0)
      }
      #expect(
        Set(result.gradients.paths) == Set(store.parameterPaths), sourceLocation: sourceLocation)
      store.absorbBatchStatistics(result.statistics)
      for path in result.gradients.paths {
        store.update(path) { $0.add(result.gradients[path]!, scaledBy: -rate) }
      }
      losses.append(result.loss)
    }
    #expect(losses.last! < losses.first! / 2, "\(losses)", sourceLocation: sourceLocation)
    // Evaluation sees the running statistics instead of those of the batch.
    let scores = model(images, ForwardPass(store)).value
    let right = zip(scores.argmaxRows(), labels).count { $0 == Int($1) }
    #expect(right >= 22, "\(right) of 24", sourceLocation: sourceLocation)
  }

  @Test func `a multilayer perceptron learns`() throws {
    let (model, store) = MultilayerPerceptron.initialized(widths: [48, 16, 3], seed: 1)
    #expect(
      store.paths.map(\.name)
        == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"])
    try learns(model, store, channels: 3, size: 4, rate: 0.1)
  }

  @Test func `LeNet learns`() throws {
    let (model, store) = LeNet.initialized(channels: 1, size: 12, classes: 3, seed: 1)
    try learns(model, store, channels: 1, size: 12, rate: 0.1, steps: 60)
    #expect(LeNet.initialized(seed: 1).parameters.parameterCount == 61_706)
  }

  @Test func `a residual network learns`() throws {
    let small = ResNetConfiguration(channels: 2, classes: 3, widths: [4, 6], blocksPerStage: 1)
    let (model, store) = ResNet.initialized(small, seed: 1)
    try learns(model, store, channels: 2, size: 9, rate: 0.1, steps: 50)
  }

  @Test func `a MobileNet learns`() throws {
    let small = MobileNetConfiguration(
      channels: 2, classes: 3, stem: 4, blocks: [.init(width: 6), .init(width: 8, stride: 2)])
    let (model, store) = MobileNet.initialized(small, seed: 1)
    try learns(model, store, channels: 2, size: 9, rate: 0.1, steps: 50)
  }

  @Test func `residual networks have torchvision's names and the paper's size`() {
    let (_, store) = ResNet.initialized(.resNet20(), seed: 1)
    let batchNorm = ["weight", "bias", "running_mean", "running_var"]
    func norm(_ name: String) -> [String] { batchNorm.map { "\(name).\($0)" } }
    let block = { (name: String) in
      ["\(name).conv1.weight"] + norm("\(name).bn1") + ["\(name).conv2.weight"]
        + norm("\(name).bn2")
    }
    let names = Set(store.paths.map(\.name))
    #expect(names.isSuperset(of: ["conv1.weight", "fc.weight", "fc.bias"] + norm("bn1")))
    #expect(names.isSuperset(of: block("layer1.0") + block("layer3.2")))
    #expect(names.isSuperset(of: ["layer2.0.downsample.0.weight"] + norm("layer3.0.downsample.1")))
    #expect(!names.contains("layer1.0.downsample.0.weight"))
    // 0.27 million (He et al., table 6), with a projection at both changes of width.
    #expect(store.parameterCount == 272_474)
    #expect(store["layer2.0.conv1.weight"].shape == [32, 16, 3, 3])
  }

  @Test func `running statistics move by a tenth towards the unbiased batch`() throws {
    let build = ModelBuilder(seed: 1)
    let norm = BatchNorm(build.scoped("bn"), channels: 1)
    var store = build.store
    #expect(store.parameterPaths.map(\.name) == ["bn.weight", "bn.bias"])
    let x = Tensor([4, 1], elements: [1, 2, 3, 6])  // mean 3, unbiased variance 14 / 3
    let result = try differentiate(store, mode: .training(step: 0)) { pass in
      norm(Variable(constant: x), pass).squared().mean()
    }
    store.absorbBatchStatistics(result.statistics)
    expectClose(store["bn.running_mean"].elements, [0.3])
    expectClose(store["bn.running_var"].elements, [0.9 + 0.1 * 14 / 3])
    // Evaluation and calibration use them, and record nothing.
    for mode in [ForwardMode.evaluation, .calibration] {
      let pass = ForwardPass(store, mode: mode)
      let y = norm(Variable(constant: x), pass).value
      let scale = (store["bn.running_var"].item + 1e-5).squareRoot()
      expectClose(y.elements, x.elements.map { ($0 - 0.3) / scale })
      #expect(pass.statistics.isEmpty)
    }
  }

  @Test func `a model quantized at its input sites sees each input once`() throws {
    /// Counts what passes each site.
    final class Counter: Instrumentation, @unchecked Sendable {
      var sites: [String: Int] = [:], weights: [String: Int] = [:]
      func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
        weights[parameter.path.name, default: 0] += 1
        return value
      }
      func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
        sites[site.path.name, default: 0] += 1
        return value
      }
    }
    let small = ResNetConfiguration(channels: 1, classes: 2, widths: [2, 4], blocksPerStage: 1)
    let (model, store) = ResNet.initialized(small, seed: 1)
    let counter = Counter()
    let pass = ForwardPass(store, instrumentation: counter)
    _ = model(Variable(constant: .ones([1, 1, 6, 6])), pass)
    #expect(
      Set(counter.sites.keys) == [
        "conv1.input", "layer1.0.input", "layer1.0.conv2.input", "layer2.0.input",
        "layer2.0.conv2.input", "fc.input", "layer1.0.residual", "layer2.0.residual",
      ])
    #expect(counter.sites.values.allSatisfy { $0 == 1 })
    #expect(counter.weights["layer2.0.downsample.0.weight"] == 1)
  }
}
