import Foundation
import GyroManifolds
import GyroModels
import GyroQuantization
import GyroRotation
import GyroTensors
import TestSupport
import Testing

/// What a set of rotations consists of, one part at a time and all together.
private enum Part: String, CaseIterable, Sendable {
  case r1, r2, r3, r4, inputs, keys, values, feedForward, all

  func of(_ all: LlamaRotations) -> LlamaRotations {
    let scalings = all.scalings!
    return switch self {
    case .r1: LlamaRotations(residual: all.residual)
    case .r2: LlamaRotations(values: all.values)
    case .r3: LlamaRotations(keys: all.keys)
    case .r4: LlamaRotations(feedForward: all.feedForward)
    case .inputs:
      LlamaRotations(
        scalings: LlamaScalings(
          attentionInputs: scalings.attentionInputs, feedForwardInputs: scalings.feedForwardInputs))
    case .keys: LlamaRotations(scalings: LlamaScalings(keys: scalings.keys))
    case .values: LlamaRotations(scalings: LlamaScalings(values: scalings.values))
    case .feedForward: LlamaRotations(scalings: LlamaScalings(feedForward: scalings.feedForward))
    case .all: all
    }
  }
}

private func online(
  _ rotations: LlamaRotations, _ parameters: ParameterStore
) throws -> OnlineTransforms {
  var placements: Set<RotationRule.Placement> = []
  if rotations.keys != nil { placements.insert(.keys) }
  if rotations.feedForward != nil { placements.insert(.feedForward) }
  return try OnlineTransforms(RotationRule(placements), for: parameters)
}

@Suite("Merging leaves what a model computes unchanged")
struct MergingTests {
  @Test("the Float64 reference computes what the model computes", arguments: Family.samples)
  func reference(sample: Sample) throws {
    let tokens = sample.tokens(12)
    let reference = ReferenceForward(
      weights: try LlamaWeights64(sample.configuration, sample.parameters))
    let wanted = reference.logits(tokens)
    #expect(wanted.largestMagnitude > 0.5)
    #expect(distance(wanted, sample.logits(tokens)) < 1e-4)
  }

  @Test("within 1e-9 in Float64, each part alone and all together", arguments: Family.samples)
  func float64(sample: Sample) throws {
    let tokens = sample.tokens(10)
    let weights = try LlamaWeights64(sample.configuration, sample.parameters)
    let wanted = ReferenceForward(weights: weights).logits(tokens)
    let prepared = weights.prepared()
    #expect(distance(wanted, ReferenceForward(weights: prepared).logits(tokens)) < 1e-9)
    for origin in Origin.allCases {
      let all = try LlamaRotations.random(origin, prepared.configuration)
      for part in Part.allCases {
        let rotations = part.of(all)
        let merged = ReferenceForward(
          weights: try prepared.merging(rotations), keys: rotations.keys,
          feedForward: rotations.feedForward)
        let difference = distance(wanted, merged.logits(tokens))
        #expect(difference < 1e-9, "\(origin) \(part): \(difference)")
      }
    }
  }

  @Test("within 1e-4 in Float32, online transforms attached", arguments: Family.samples)
  func float32(sample: Sample) throws {
    let tokens = sample.tokens(12)
    let wanted = sample.logits(tokens)
    let (configuration, prepared) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    for origin in Origin.allCases {
      let all = try LlamaRotations.random(origin, configuration)
      for part in Part.allCases {
        let rotations = part.of(all)
        let merged = try rotations.merged(into: prepared, configuration)
        let turned = Sample(
          name: sample.name, configuration: configuration, parameters: merged)
        let got = turned.logits(tokens, try online(rotations, merged))
        #expect(distance(wanted, got) < 1e-4, "\(origin) \(part)")
        try EquivalenceGate(tokens: TokenWindow(tokens, batch: 1, length: 12)).check(
          .init(sample.configuration, sample.parameters),
          .init(
            configuration, merged, instrumentation: try online(rotations, merged),
            rotations: [rotations]), after: "\(origin) \(part)")
      }
    }
  }

  @Test("all but R1 need no preparation", arguments: Family.samples)
  func unprepared(sample: Sample) throws {
    let tokens = sample.tokens(10)
    let weights = try LlamaWeights64(sample.configuration, sample.parameters)
    let wanted = ReferenceForward(weights: weights).logits(tokens)
    var rotations = try LlamaRotations.random(.haar, sample.configuration)
    rotations.residual = nil
    let merged = ReferenceForward(
      weights: try weights.merging(rotations), keys: rotations.keys,
      feedForward: rotations.feedForward)
    #expect(distance(wanted, merged.logits(tokens)) < 1e-9)
  }

  @Test("every weight is rounded once")
  func roundedOnce() throws {
    for sample in Family.samples where !sample.configuration.tiedEmbeddings {
      let (configuration, prepared) = try RotationPreparation.prepared(
        sample.configuration, sample.parameters)
      let rotations = try LlamaRotations.random(.haar, configuration)
      let merged = try rotations.merged(into: prepared, configuration)
      let exact = try LlamaWeights64(configuration, prepared).merging(rotations).rounded()
      for path in merged.paths { expectSameBits(merged[path], exact.parameters[path], path.name) }
    }
  }

  @Test("each rotation does something, and only online ones leave the weights alone")
  func effects() throws {
    let sample = Family.samples[1]
    let (configuration, prepared) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    let all = try LlamaRotations.random(.haar, configuration)
    func changed(_ part: Part) throws -> Set<String> {
      let merged = try part.of(all).merged(into: prepared, configuration)
      let changed = merged.paths.filter { path in
        merged[path].elements.map(\.bitPattern) != prepared[path].elements.map(\.bitPattern)
      }
      return Set(
        changed.compactMap { $0.name.split(separator: ".").dropLast().last.map(String.init) })
    }
    #expect(try changed(.r3) == [])
    #expect(try changed(.r4) == ["down_proj"])
    #expect(try changed(.r2) == ["v_proj", "o_proj"])
    #expect(try changed(.keys) == ["q_proj", "k_proj"])
    #expect(
      try changed(.r1) == [
        "embed_tokens", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
        "down_proj", "lm_head",
      ])
  }

  @Test("two merges undo each other when the second is the first's inverse")
  func inverse() throws {
    let sample = Family.samples[5]
    let weights = try LlamaWeights64(sample.configuration, sample.parameters).prepared()
    let configuration = weights.configuration
    var rotations = try LlamaRotations.random(.haar, configuration)
    rotations.scalings = nil
    (rotations.keys, rotations.feedForward) = (nil, nil)
    let back = LlamaRotations(
      residual: rotations.residual!.transposed(), values: rotations.values!.map { $0.transposed() })
    let there = try weights.merging(rotations)
    let again = try there.merging(back)
    for path in sample.parameters.paths {
      #expect(distance(again[path]!, weights[path]!) < 1e-12, "\(path)")
    }
    #expect(distance(there["lm_head.weight"]!, weights["lm_head.weight"]!) > 0.1)
  }
}
