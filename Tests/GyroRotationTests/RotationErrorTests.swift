import GyroManifolds
import GyroModels
import GyroRotation
import GyroTensors
import Testing

@Suite("Rotation errors say what was expected, what came and what to try")
struct RotationErrorTests {
  private let sample = Family.sample("grouped") { $0.keyValueHeads = 2 }

  private func ready() throws -> (LlamaConfiguration, ParameterStore) {
    try RotationPreparation.prepared(sample.configuration, sample.parameters)
  }

  private func message(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore, _ rotations: LlamaRotations
  ) -> String {
    do {
      _ = try rotations.merged(into: parameters, configuration)
      return "no error"
    } catch {
      return error.description
    }
  }

  @Test("a model that is still tied")
  func tied() throws {
    let tied = Family.samples.first { $0.configuration.tiedEmbeddings }!
    #expect(
      message(
        tied.configuration, tied.parameters,
        LlamaRotations(residual: .identity(tied.configuration.hidden)))
        == "R1 needs an output projection of its own, but lm_head shares the table of "
        + "embed_tokens; untie the model first (RotationPreparation.prepared)")
  }

  @Test("gains that are not folded")
  func gains() throws {
    let gain = sample.parameters["model.norm.weight"][0]
    #expect(
      message(sample.configuration, sample.parameters, LlamaRotations(residual: .identity(16)))
        == "R1 needs normalizations whose gains are all 1, but channel 0 of model.norm.weight is "
        + "\(gain); fold the gains first (RotationPreparation.prepared)")
    // R2 passes no normalization.
    let rotations = LlamaRotations(values: [.identity(4), .identity(4)])
    #expect(message(sample.configuration, sample.parameters, rotations) == "no error")
  }

  @Test("matrices of another model")
  func sizes() throws {
    let (configuration, parameters) = try ready()
    func words(_ rotations: LlamaRotations) -> String {
      message(configuration, parameters, rotations)
    }
    #expect(
      words(LlamaRotations(residual: .identity(8)))
        == "R1 should be 16×16, got 8×8; rotations fit only the model they were made for")
    #expect(
      words(LlamaRotations(values: [.identity(4)]))
        == "R2 should be 2 matrices, one per layer, got 1; rotations fit only the model they were "
        + "made for")
    #expect(
      words(LlamaRotations(values: [.identity(4), .identity(5)]))
        == "R2 of layer 1 should be 4×4, got 5×5; rotations fit only the model they were made for")
    #expect(
      words(LlamaRotations(keys: HadamardTransform(size: 8)))
        == "R3 should be a transform of 4, the head size, got 8; rotations fit only the model they "
        + "were made for")
    #expect(
      words(LlamaRotations(feedForward: HadamardTransform(size: 16)))
        == "R4 should be a transform of 24, the width of down_proj's input, got 16; rotations fit "
        + "only the model they were made for")
    #expect(
      words(LlamaRotations(scalings: LlamaScalings(keys: [[1, 1], [1, 1]])))
        == "scaling of keys, layer 0, should be 4 factors (2 heads of 2 rotary pairs), got 2; "
        + "rotations fit only the model they were made for")
  }

  @Test("R3 in a head without rotary pairs")
  func oddHead() throws {
    var configuration = sample.configuration
    configuration.headSize = 3
    #expect(throws: RotationError.self) {
      try LlamaRotations(keys: HadamardTransform(size: 3)).check(against: configuration)
    }
    let error = RotationError.illegal(
      placement: "R3", reason: "a head of 3 has no rotary pairs",
      advice: "leave out r3, or use a model with an even head size")
    #expect(
      error.description
        == "R3 is not possible here: a head of 3 has no rotary pairs; leave out r3, or use a model "
        + "with an even head size")
  }

  @Test("matrices that are not orthogonal, or not numbers")
  func values() throws {
    let (configuration, parameters) = try ready()
    var bent = Matrix64.identity(16)
    bent[3, 4] = 0.01
    #expect(
      message(configuration, parameters, LlamaRotations(residual: bent))
        == "R1 is not orthogonal: RᵀR departs from the identity by 0.01, allowed is 0.0001; "
        + "project it onto the orthogonal matrices (polar factor) first")
    bent[3, 4] = 0.00005
    #expect(message(configuration, parameters, LlamaRotations(residual: bent)) == "no error")
    bent[2, 1] = .nan
    #expect(
      message(configuration, parameters, LlamaRotations(residual: bent))
        == "R1 is not finite in row 2, column 1; try a lower learning rate, or the last good "
        + "checkpoint")
    var factors = [[Double]](repeating: .init(repeating: 1, count: 24), count: 2)
    factors[1][5] = -2
    #expect(
      message(
        configuration, parameters, LlamaRotations(scalings: LlamaScalings(feedForward: factors)))
        == "scaling of up and down of layer 1 should be positive, got -2.0 at 5; learn the "
        + "logarithms of the factors")
  }

  @Test("a store of another model")
  func store() throws {
    let (configuration, parameters) = try ready()
    var wider = configuration
    wider.feedForward = 32
    #expect(
      message(wider, parameters, LlamaRotations(residual: .identity(16)))
        == "model.layers.0.mlp.gate_proj.weight should be [32, 16], got [24, 16]; is this the "
        + "configuration of the model?")
    var deeper = configuration
    deeper.layers = 3
    #expect(
      message(deeper, parameters, LlamaRotations(residual: .identity(16)))
        == "the parameters have no model.layers.2.input_layernorm.weight, which the configuration "
        + "asks for; is this the store of the model?")
    var broken = parameters
    broken.update("lm_head.weight") { $0.withMutableElements { $0[17] = .infinity } }
    #expect(
      message(configuration, broken, LlamaRotations(residual: .identity(16)))
        == "lm_head.weight is not finite in row 1, column 1; try a lower learning rate, or the "
        + "last good checkpoint")
  }
}
