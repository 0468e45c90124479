import Foundation
import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors
import Testing

@testable import GyroRotation

@Suite("Merging while rotations are learned")
struct LearningMergeTests {
  /// Learning over a model with all placements and scaling pairs, started from random rotations.
  private func learning(
    _ sample: Sample, signSeed: UInt64? = 4
  ) throws -> (RotationLearning, ParameterStore, LlamaRotations) {
    let (configuration, base) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    let rule = QuantizationRule(format: "int8", granularity: .token)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"), activations: rule, keys: rule, values: rule,
      rotations: RotationRule(
        Set(RotationRule.Placement.allCases), signSeed: signSeed))
    let plan = try QuantizationPlan(scheme, for: base)
    let learning = try RotationLearning(
      plan, configuration, base: base, scalings: Set(ScalingPair.allCases), precision: .float32)
    var rotations = try LlamaRotations.random(.haar, configuration)
    rotations.keys = HadamardTransform(size: configuration.headSize, signSeed: signSeed)
    rotations.feedForward = HadamardTransform(
      size: configuration.feedForward, signSeed: signSeed)
    var store = base
    try learning.start(&store, from: rotations)
    return (learning, store, rotations)
  }

  @Test("in Float32 equals merging in Float64, for every flag", arguments: Family.samples)
  func equalsFloat64(sample: Sample) throws {
    let (learning, store, rotations) = try learning(sample)
    let wanted = try rotations.merged(into: learning.base, learning.configuration)
    for path in learning.base.paths {
      let (a, b) = (store[path], wanted[path])
      let difference = (a - b).magnitude().maximum()
      #expect(difference <= 1e-5 * max(1, b.magnitude().maximum()), "\(sample) \(path)")
    }
  }

  @Test("reads back the rotations it was given", arguments: Family.samples)
  func readsBack(sample: Sample) throws {
    let (learning, store, rotations) = try learning(sample)
    let (found, residual) = try learning.rotations(in: store)
    #expect(residual < 1e-6)
    #expect((found.residual! - rotations.residual!).largestMagnitude < 1e-6)
    for (a, b) in zip(found.values!, rotations.values!) {
      #expect((a - b).largestMagnitude < 1e-6)
    }
    #expect(found.keys == rotations.keys && found.feedForward == rotations.feedForward)
    for pair in ScalingPair.allCases {
      for (a, b) in zip(found.scalings![pair]!, rotations.scalings![pair]!) {
        #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 / $1 - 1) < 1e-6 })
      }
    }
  }

  @Test("begins with given rotations only if they are all there")
  func givenRotations() throws {
    let (learning, _, rotations) = try learning(Family.samples[0])
    var store = learning.base
    var lacking = rotations
    lacking.residual = nil
    #expect(
      throws: RotationError.file(key: "r1", problem: "is not there, and the scheme asks for it")
    ) { try learning.start(&store, from: lacking) }
    lacking = rotations
    lacking.scalings = nil
    try learning.start(&store, from: lacking)
    for path in learning.frames.learned.map(\.path) where path.name.contains("scaling") {
      #expect(store[path].magnitude().maximum() == 0)
    }
    #expect(rotations.scalings!.pairs == Set(ScalingPair.allCases))
    #expect(LlamaScalings(keys: [[1]]).pairs == [.keys])
  }

  @Test("refuses models in which a rotation has no place")
  func illegal() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"), rotations: RotationRule([.residual]))
    let tied = Family.samples.first { $0.configuration.tiedEmbeddings }!
    #expect(throws: RotationError.tied(placement: "R1")) {
      try RotationLearning(
        QuantizationPlan(scheme, for: tied.parameters), tied.configuration, base: tied.parameters)
    }
    let plain = Family.samples[0]
    let error = #expect(throws: RotationError.self) {
      try RotationLearning(
        QuantizationPlan(scheme, for: plain.parameters), plain.configuration,
        base: plain.parameters)
    }
    #expect(error?.description.contains("fold the gains first") == true)
    let ready = try RotationPreparation.prepared(plain.configuration, plain.parameters)
    let plan = try QuantizationPlan(scheme, for: ready.parameters)
    #expect(throws: RotationError.quantized("lm_head.weight")) {
      try RotationLearning(
        plan, ready.configuration, base: try plan.frozen(ready.parameters))
    }
  }
}
