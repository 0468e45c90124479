import Foundation
import Gyro
import Testing

/// A tiny Llama with outliers, rounded to four bits, rotated and exported.
func rotationRecipe(
  _ stages: String, activations: String = "symmetric: false", rotations: String = "[r1, r2, r3, r4]"
) -> String {
  """
  name: turned
  model: model
  data:
    train: { generated: { tokens: 600, seed: 1 } }
    calibrate: { generated: { tokens: 400, seed: 4 } }
    evaluate: { generated: { tokens: 300, seed: 2 } }
  scheme:
    weights: { format: int4 }
    activations: { format: int4, \(activations) }
    cache:
      keys: { format: int4, granularity: head-8, symmetric: false }
      values: { format: int4, granularity: head-8, symmetric: false }
    rotations: \(rotations)
  seed: 3
  stages:
    - evaluate: { label: float, length: 16 }
  \(stages)
  """
}

/// A stage that learns a little of everything.
let learnedRotation = """
    - rotate:
        label: learned
        candidates: 2
        candidate-batches: 1
        scalings: [keys, values, feed-forward]
        steps: 6
        rate: 0.02
        batch: 2
        length: 12
        checkpoint-every: 1
  """

func rotationExperiment(_ folder: URL, _ yaml: String) throws -> Experiment {
  if !FileManager.default.fileExists(atPath: folder.appending(path: "model").path) {
    try writeTinyModel(to: folder.appending(path: "model"), tied: true)
  }
  return try Recipe(yaml: yaml, file: "turned.yaml").resolve(relativeTo: folder)
}

/// What a run said.
final class Notes {
  private(set) var texts: [String] = []

  func hear(_ event: ExperimentEvent) {
    if case .note(let text) = event { texts.append(text) }
  }
}
