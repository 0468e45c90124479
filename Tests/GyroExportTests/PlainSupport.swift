import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

/// A Llama of 64 by 96, calibrated and put on its grids.
enum SmallModel {
  static let configuration = LlamaConfiguration(
    vocabulary: 32, hidden: 64, feedForward: 96, layers: 1, heads: 2, context: 16)
  static let tokens = TokenWindow([1, 2, 3, 4, 5, 6], batch: 2, length: 3)

  static func llama() -> (model: Llama, parameters: ParameterStore) {
    Llama.initialized(configuration, seed: 1)
  }

  static func shipped(_ scheme: QuantizationScheme) throws -> ShippedModel {
    var (model, parameters) = llama()
    let plan = try QuantizationPlan(scheme, for: parameters)
    var calibration = try Calibration(for: plan)
    let pass = ForwardPass(parameters, mode: .calibration, instrumentation: calibration.probe)
    _ = model(tokens, pass)
    try calibration.absorb(pass.statistics)
    try plan.prepare(&parameters, with: calibration)
    model = Llama(configuration, .unfilled())
    return try ShippedModel(LanguageModel(model: model, parameters: parameters, scheme: scheme))
  }

  static func logits(_ model: ShippedModel) throws -> Tensor {
    let language = try #require(model.language)
    let instrumentation: any Instrumentation = model.plan ?? NoInstrumentation()
    return language.model(
      tokens, ForwardPass(model.parameters, instrumentation: instrumentation)
    ).value
  }
}

/// Expects equal codes, scales and values, bit for bit, and, of language models, equal logits.
func expectSame(_ read: ShippedModel, _ written: ShippedModel) throws {
  expectSame(
    read.parameters.paths.map(\.name).sorted(), written.parameters.paths.map(\.name).sorted())
  for path in written.parameters.paths {
    guard read.parameters.contains(path) else { continue }
    expectSameBits(read.parameters[path], written.parameters[path], path.name)
    guard let before = written.codes(at: path) else { continue }
    let after = try #require(read.codes(at: path), "\(path)")
    expectSame(after.codeArray, before.codeArray, path.name)
    expectSameBits(after.scales.scales, before.scales.scales, path.name)
    #expect(after.scales.tensorScale == before.scales.tensorScale)
    if let zeroPoints = before.scales.zeroPoints {
      expectSameBits(try #require(after.scales.zeroPoints), zeroPoints, path.name)
    }
  }
  guard written.language != nil else { return }
  expectSameBits(try SmallModel.logits(read), try SmallModel.logits(written))
}
