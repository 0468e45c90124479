import GyroModels
import GyroRotation
import GyroTensors
import Testing

@Suite("The equivalence gate")
struct EquivalenceGateTests {
  private let sample = Family.samples.last!

  private func merged() throws -> (LlamaConfiguration, ParameterStore, LlamaRotations) {
    let (configuration, prepared) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    var rotations = try LlamaRotations.random(.haar, configuration)
    (rotations.keys, rotations.feedForward) = (nil, nil)
    return (configuration, try rotations.merged(into: prepared, configuration), rotations)
  }

  private func verdict(
    _ change: (inout ParameterStore, inout LlamaRotations) -> Void
  ) throws -> RotationError? {
    var (configuration, parameters, rotations) = try merged()
    change(&parameters, &rotations)
    do {
      try EquivalenceGate(probing: configuration).check(
        .init(sample.configuration, sample.parameters),
        .init(configuration, parameters, rotations: [rotations]), after: "test")
      return nil
    } catch {
      return error
    }
  }

  private func departing(_ error: RotationError?) -> String? {
    guard case .departed(let site, _, _, _, _) = error else { return nil }
    return site.name
  }

  @Test("passes a model whose rotations are undone at every site")
  func passes() throws {
    #expect(try verdict { _, _ in } == nil)
    let (configuration, parameters, rotations) = try merged()
    let report = EquivalenceGate(probing: configuration).report(
      .init(sample.configuration, sample.parameters),
      .init(configuration, parameters, rotations: [rotations]), after: "merge")
    #expect(report.isEquivalent)
    #expect(report.logits < 1e-4)
    #expect(report.entries.first?.site == "model.embed_tokens.output")
    #expect(report.entries.last?.site == "lm_head.output")
    #expect(report.entries.count == 2 + 7 * configuration.layers)
    #expect(report.description.hasPrefix("merge: logits differ by "))
  }

  @Test(
    "names the first site behind a wrong weight",
    arguments: [
      ("model.embed_tokens.weight", "model.embed_tokens.output"),
      ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.queries"),
      ("model.layers.1.self_attn.k_norm.weight", "model.layers.1.self_attn.keys"),
      ("model.layers.1.self_attn.v_proj.bias", "model.layers.1.self_attn.values"),
      ("model.layers.0.self_attn.o_proj.weight", "model.layers.0.self_attn.residual"),
      ("model.layers.0.mlp.up_proj.bias", "model.layers.0.mlp.down_proj.input"),
      ("model.layers.1.mlp.down_proj.bias", "model.layers.1.mlp.residual"),
      ("lm_head.weight", "lm_head.output"),
    ])
  func wrongWeight(path: String, site: String) throws {
    let error = try verdict { parameters, _ in
      parameters.update(ParameterPath(path)) {
        $0.withMutableElements { for index in 0..<4 { $0[index] += 0.3 } }
        if path.hasPrefix("model.embed") || path.hasPrefix("lm_head") {
          let count = $0.count
          $0.withMutableElements { for index in 0..<count { $0[index] *= 1.1 } }
        }
      }
    }
    #expect(departing(error) == site)
  }

  @Test("sees rotations that are not the merged ones")
  func wrongRotation() throws {
    let values = try verdict { _, rotations in rotations.values!.swapAt(0, 1) }
    #expect(departing(values) == "model.layers.0.self_attn.values")
    let keys = try verdict { _, rotations in rotations.scalings!.keys![1][0] *= 1.5 }
    #expect(departing(keys) == "model.layers.1.self_attn.queries")
    let residual = try verdict { _, rotations in rotations.residual = nil }
    #expect(departing(residual) == "model.embed_tokens.output")
  }

  @Test("names the first value that is not finite")
  func notFinite() throws {
    let error = try verdict { parameters, _ in
      parameters.update("model.layers.1.mlp.up_proj.weight") {
        $0.withMutableElements { $0[0] = .nan }
      }
    }
    #expect(error == .diverged(site: "model.layers.1.mlp.down_proj.input", transform: "test"))
    #expect(
      error?.description
        == "test: model.layers.1.mlp.down_proj.input is the first value that is not finite; look "
        + "for overflow in the weights before it")
  }

  @Test("says what was done, where and by how much")
  func words() {
    let error = RotationError.departed(
      site: "model.layers.0.self_attn.values", difference: 0.5, allowed: 0.001, logits: 0.25,
      transform: "R2")
    #expect(
      error.description
        == "R2 changed the model: model.layers.0.self_attn.values departs first, by 0.5 where "
        + "0.001 is allowed, and the logits by 0.25; nothing after it can be trusted, so leave "
        + "this transform out and report it")
  }
}
