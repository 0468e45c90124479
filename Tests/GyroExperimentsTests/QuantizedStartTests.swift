import Foundation
import Gyro
import Testing

/// A small image classifier with activations of a rule, rounded or trained, and exported.
private func recipe(model: String, activations: String, stages: String) -> String {
  """
  name: start
  model: \(model)
  data:
    train: { digits: { count: 64, seed: \(model.hasPrefix("{") ? 1 : 7) } }
    evaluate: { digits: { count: 32, seed: 2 } }
  scheme:
    weights: { format: int8 }
    activations: { format: int8, granularity: tensor, \(activations) }
  seed: 3
  stages:
  \(stages)
  """
}

@Suite("Runs that start from a quantized checkpoint")
struct QuantizedStartTests {
  /// What is kept for activations, by name, after three runs: one that makes the checkpoint, one
  /// that evaluates and exports it on other data, one that trains it.
  private struct Kept {
    var made: [String: [Float]] = [:], evaluated: [String: [Float]] = [:]
    var trained: [String: [Float]] = [:]
    var losses: [Double?] = []
  }

  private func run(_ activations: String) throws -> Kept {
    var kept = Kept()
    try withTemporaryFolder { folder in
      func run(_ name: String, _ model: String, _ stages: String) throws -> [String: [Float]] {
        let yaml = recipe(model: model, activations: activations, stages: stages)
        let results = try Recipe(yaml: yaml).resolve(relativeTo: folder)
          .run(output: folder.appending(path: name))
        kept.losses.append(results.measurements.first?.figures["loss"])
        let file = try SafetensorsFile(
          contentsOf: folder.appending(path: "\(name)/model/model.safetensors"))
        let names = file.names.filter { $0.contains(".input_") }
        #expect(!names.isEmpty)
        return try Dictionary(
          uniqueKeysWithValues: names.map { ($0, try file.tensor($0).elements) })
      }
      let fresh = "{ architecture: mlp, classes: 10, image: [1, 28, 28], hidden: [12, 8] }"
      kept.made = try run("made", fresh, "  - round: {}\n  - export: {}")
      let model = "made/model"
      kept.evaluated = try run(
        "evaluated", model, "  - evaluate: { quantized: true }\n  - export: {}")
      kept.trained = try run(
        "trained", model,
        "  - train: { steps: 2, batch: 8, rate: 1e-2, optimizer: sgd, scale-rate: 10 }\n"
          + "  - export: {}")
    }
    return kept
  }

  @Test func `evaluating and training keep static scales, bit for bit`() throws {
    let kept = try run("symmetric: false, range: percentile-99, estimator: clipped")
    #expect(kept.made.keys.contains { $0.hasSuffix("_zero_point") })
    #expect(kept.evaluated == kept.made)
    #expect(kept.trained == kept.made)
    #expect(kept.losses[0] == kept.losses[1])
  }

  @Test(arguments: ["estimator: lsq", "symmetric: false, estimator: lsq+", "estimator: pact"])
  func `learned scales start from those in the file, and learn on`(_ activations: String) throws {
    let kept = try run(activations)
    #expect(kept.evaluated == kept.made)
    #expect(kept.losses[0] == kept.losses[1])
    #expect(kept.trained.keys == kept.made.keys)
    for (name, values) in kept.trained where !name.hasSuffix("_offset") {
      #expect(values != kept.made[name], "\(name)")
    }
  }

  @Test func `moving ranges move on from where they were`() throws {
    let kept = try run("symmetric: false, range: moving-average")
    #expect(kept.made.keys.contains { $0.hasSuffix("_range") })
    #expect(kept.evaluated == kept.made)
    for (name, values) in kept.trained where name.hasSuffix("_range") {
      #expect(values != kept.made[name], "\(name)")
    }
  }
}
