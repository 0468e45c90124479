import Foundation
import GyroAutodiff
import GyroCheckpoints
import GyroModels
import GyroTensors
import Testing

@Suite("Convolutional networks against float64 PyTorch (Goldens/generate_convnet.py)")
struct ConvNetGoldenTests {
  private struct Golden {
    let parameters: ParameterStore
    let expected: SafetensorsFile
    let images: Tensor
    let labels: [Int32]

    init(_ name: String, _ initial: ParameterStore) throws {
      let folder = goldenFolder.appendingPathComponent(name)
      let weights = try SafetensorsFile(
        contentsOf: folder.appendingPathComponent("model.safetensors"))
      var parameters = initial
      for path in parameters.paths { parameters[path] = try weights.tensor(path.name) }
      self.parameters = parameters
      expected = try SafetensorsFile(
        contentsOf: folder.appendingPathComponent("expected.safetensors"))
      images = try expected.tensor("images")
      labels = try expected.integers("labels").map(Int32.init)
    }
  }

  private func check(_ model: some Classifier, _ initial: ParameterStore, _ name: String) throws {
    let golden = try Golden(name, initial)
    let result = try differentiate(golden.parameters, mode: .training(step: 0)) {
      model(Variable(constant: golden.images), $0).crossEntropy(targets: golden.labels)
    }
    let loss = try golden.expected.tensor("loss").item
    #expect(abs(result.loss - loss) <= 1e-5 * loss)
    for path in golden.parameters.parameterPaths {
      let gradient = try #require(result.gradients[path], "\(path) has no gradient")
      let error = relativeError(gradient, try golden.expected.tensor("gradient.\(path)"))
      #expect(error <= 1e-4, "\(path): relative error \(error)")
    }
    var parameters = golden.parameters
    parameters.absorbBatchStatistics(result.statistics)
    for path in parameters.paths where path.name.contains("running_") {
      let error = relativeError(parameters[path], try golden.expected.tensor(path.name))
      #expect(error <= 1e-5, "\(path): relative error \(error)")
    }
  }

  @Test("ResNet: loss, every gradient, running statistics")
  func resNet() throws {
    let configuration = ResNetConfiguration(
      channels: 2, classes: 5, widths: [4, 6], blocksPerStage: 1)
    let (model, initial) = ResNet.initialized(configuration, seed: 0)
    try check(model, initial, "resnet")
  }

  @Test("MobileNet: loss, every gradient, running statistics")
  func mobileNet() throws {
    let configuration = MobileNetConfiguration(
      channels: 2, classes: 5, stem: 4,
      blocks: [.init(width: 6, stride: 2), .init(width: 8, stride: 1)])
    let (model, initial) = MobileNet.initialized(configuration, seed: 0)
    try check(model, initial, "mobilenet")
  }
}
