import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroPostTraining

/// Asymmetric calibration: weights fitted to the inputs that a rounded model gives.
@Suite struct CorrectionTests {
  private let float = correlatedInputs(400, 24, seed: 31)
  private let weight = randomWeight(10, 24, seed: 32)

  /// What layers in front have made of the inputs.
  private var rounded: Tensor {
    get throws {
      try Quantizer(IntegerFormat(bits: 3), .channel).projected(float.transposed().contiguous())
        .copied().transposed().contiguous()
    }
  }

  private func corrected(_ inputs: Tensor, damping: Double) throws -> Tensor {
    var cross = CrossMoment(size: 24, precision: .float32)
    cross.accumulate(float: float, rounded: inputs)
    return try cross.corrected(weight, try hessian(of: inputs), damping: damping, at: "weight")
  }

  /// ‖X Wᵀ − X̂ Vᵀ‖².
  private func error(_ inputs: Tensor, _ corrected: Tensor) -> Double {
    let target = Matrix64(float).matmul(Matrix64(weight), transposingOther: true)
    let output = Matrix64(inputs).matmul(Matrix64(corrected), transposingOther: true)
    return (target - output).elements.reduce(0) { $0 + $1 * $1 }
  }

  @Test func theSameInputsChangeNothing() throws {
    expectClose(try corrected(float, damping: 0.01), weight, relative: 0, absolute: 1e-5)
  }

  @Test func itIsTheLeastSquaresFit() throws {
    let inputs = try rounded
    let x = Matrix64(inputs)
    let fit = try x.matmul(x, transposingSelf: true).solved(
      for: x.matmul(Matrix64(float), transposingSelf: true)
        .matmul(Matrix64(weight), transposingOther: true))
    let corrected = try corrected(inputs, damping: 0)
    expectClose(corrected, fit.transposed().tensor, relative: 0, absolute: 1e-4)
    #expect(error(inputs, corrected) < 0.9 * error(inputs, weight))
  }

  @Test func itChangesWhatFollowsTheFirstLayers() throws {
    let configuration = LlamaConfiguration(
      vocabulary: 50, hidden: 32, feedForward: 48, layers: 2, heads: 4, context: 32)
    let (model, store) = Llama.initialized(configuration, seed: 3)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int3", granularity: .channel))
    let plan = try QuantizationPlan(scheme, for: store)
    var random = RandomStream(seed: 9)
    let window = TokenWindow(
      (0..<128).map { _ in Int32(random.integer(below: 50)) }, batch: 8, length: 16)
    let outcomes = try [false, true].map {
      try GPTQ().quantize(
        model, store, under: plan, calibratedOn: [window], CalibrationOptions(correctsInputs: $0))
    }
    let (plain, corrected) = (outcomes[0], outcomes[1])
    let first: ParameterPath = "model.layers.0.self_attn.q_proj.weight"
    expectClose(corrected.parameters[first], plain.parameters[first], relative: 1e-3)
    let last: ParameterPath = "model.layers.1.mlp.down_proj.weight"
    #expect(corrected.parameters[last].elements != plain.parameters[last].elements)
  }
}
