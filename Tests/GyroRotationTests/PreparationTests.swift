import GyroModels
import GyroRotation
import GyroTensors
import TestSupport
import Testing

@Suite("Preparation")
struct PreparationTests {
  @Test("logits stay, gains become ones, a second time changes nothing", arguments: Family.samples)
  func idempotent(sample: Sample) throws {
    let tokens = sample.tokens(12)
    let (configuration, prepared) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    #expect(!configuration.tiedEmbeddings)
    let ready = Sample(name: sample.name, configuration: configuration, parameters: prepared)
    #expect(distance(sample.logits(tokens), ready.logits(tokens)) < 1e-4)
    for path in prepared.paths where path.name.hasSuffix("layernorm.weight") {
      #expect(prepared[path].elements.allSatisfy { $0 == 1 }, "\(path)")
    }
    #expect(prepared["model.norm.weight"].elements.allSatisfy { $0 == 1 })
    let (again, twice) = try RotationPreparation.prepared(configuration, prepared)
    #expect(again == configuration)
    for path in prepared.paths { expectSameBits(twice[path], prepared[path], path.name) }
  }

  @Test("paths, order, kinds and sites stay; an untied model has lm_head last")
  func structure() throws {
    for sample in Family.samples {
      let (configuration, prepared) = try RotationPreparation.prepared(
        sample.configuration, sample.parameters)
      let fresh = Llama.initialized(configuration, seed: 0).parameters
      #expect(prepared.paths == fresh.paths)
      #expect(prepared.sites == fresh.sites)
      for path in fresh.paths {
        #expect(prepared.parameter(at: path) == fresh.parameter(at: path))
      }
    }
  }

  @Test("the table of the embedding is not touched, and lm_head starts as its copy")
  func noCentering() throws {
    let sample = Family.samples.first { $0.configuration.tiedEmbeddings }!
    let (configuration, untied) = try RotationPreparation.untied(
      sample.configuration, sample.parameters)
    expectSameBits(untied["lm_head.weight"], untied["model.embed_tokens.weight"])
    let folded = try RotationPreparation.folded(untied, configuration)
    expectSameBits(
      folded["model.embed_tokens.weight"], sample.parameters["model.embed_tokens.weight"])
  }

  @Test("norms of queries and keys keep their gains")
  func innerNorms() throws {
    let sample = Family.samples.first { $0.configuration.queryKeyNorm }!
    let (_, prepared) = try RotationPreparation.prepared(sample.configuration, sample.parameters)
    for path in prepared.paths where path.name.hasSuffix("_norm.weight") {
      expectSameBits(prepared[path], sample.parameters[path])
    }
  }

  @Test("what else a store holds comes along")
  func extras() throws {
    var sample = Family.samples[0]
    var store = sample.parameters
    store.declare("model.layers.0.mlp.input_scale", .ones([3]), kind: .quantizer)
    sample = Sample(name: "", configuration: sample.configuration, parameters: store)
    let (configuration, prepared) = try RotationPreparation.prepared(sample.configuration, store)
    let merged = try LlamaRotations.random(.haar, configuration).merged(
      into: prepared, configuration)
    #expect(merged.paths == store.paths)
    expectSameBits(merged["model.layers.0.mlp.input_scale"], .ones([3]))
  }
}
