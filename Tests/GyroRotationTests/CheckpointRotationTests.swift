import Foundation
import GyroManifolds
import GyroModels
import GyroQuantization
import GyroRotation
import GyroTensors
import Testing

@Suite("Real checkpoints keep their logits under all rotations and factors")
struct CheckpointRotationTests {
  private func check(_ folder: URL, _ origin: Origin) throws {
    let sample = try Family.checkpoint(folder)
    let tokens = sample.tokens(16)
    let weights = try LlamaWeights64(sample.configuration, sample.parameters)
    let wanted = ReferenceForward(weights: weights).logits(tokens)
    let prepared = weights.prepared()
    let rotations = try LlamaRotations.random(origin, prepared.configuration)
    let turned = try prepared.merging(rotations)
    let reference = ReferenceForward(
      weights: turned, keys: rotations.keys, feedForward: rotations.feedForward)
    let exact = distance(wanted, reference.logits(tokens))
    #expect(exact < 1e-9, "Float64: \(exact)")

    let (configuration, parameters) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    let merged = try rotations.merged(into: parameters, configuration)
    let online = try OnlineTransforms(RotationRule([.keys, .feedForward]), for: merged)
    let rounded = distance(
      sample.logits(tokens),
      Sample(name: "", configuration: configuration, parameters: merged).logits(tokens, online))
    #expect(rounded < 1e-4, "Float32: \(rounded)")
    let report = try EquivalenceGate(probing: sample.configuration).check(
      .init(sample.configuration, sample.parameters),
      .init(configuration, merged, instrumentation: online, rotations: [rotations]), after: "merge")
    #expect(report.entries.count == 2 + 7 * configuration.layers)
  }

  @Test("novelist")
  func novelist() throws { try check(Family.novelistFolder, .learned) }

  @Test(
    "stories260K",
    .enabled(if: FileManager.default.fileExists(atPath: Family.storiesFolder.path)),
    arguments: Origin.allCases)
  func stories(origin: Origin) throws { try check(Family.storiesFolder, origin) }
}
