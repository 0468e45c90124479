import Foundation
import Gyro

/// The root of the package.
let packageRoot = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// A folder of its own for one test, removed afterwards.
func withTemporaryFolder(_ body: (URL) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory
    .appending(path: "gyro-experiments-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder)
}

/// Writes a random language model that is small enough to train in a test.
func writeTinyModel(to folder: URL, tied: Bool = false) throws {
  var configuration = LlamaConfiguration(
    vocabulary: 61, hidden: 16, feedForward: 24, layers: 2, heads: 2, context: 32)
  configuration.tiedEmbeddings = tied
  configuration.initializerDeviation = 0.3
  let (model, parameters) = Llama.initialized(configuration, seed: 5)
  try LanguageModel(model: model, parameters: parameters).write(to: folder)
}

/// A recipe over the model at `model/` with everything a quantized run has.
let tinyRecipe = """
  name: tiny
  model: model
  data:
    train: { generated: { tokens: 600, seed: 1 } }
    evaluate: { generated: { tokens: 300, seed: 2 } }
  scheme:
    weights: { format: int8 }
    activations: { format: int8 }
  seed: 3
  stages:
    - evaluate: { label: float, length: 16 }
    - round: { label: rounded, length: 16 }
    - train:
        steps: 7
        rate: 1e-3
        batch: 2
        length: 12
        average: 0.9
        accumulate: 2
        checkpoint-every: 3
    - evaluate: { label: tuned, length: 16 }
    - export: {}
  """

/// Stops a run, politely or like a power cut, once a step is done.
final class Stopper: TrainingCallback {
  struct PowerCut: Error {}
  private let step: Int
  private let interruption: Interruption?

  init(after step: Int, _ interruption: Interruption? = nil) {
    self.step = step
    self.interruption = interruption
  }

  func handle(_ event: TrainingEvent, _ state: inout TrainingState) throws -> TrainingEvent? {
    guard case .stepped(let metrics) = event, metrics.step == step else { return nil }
    guard let interruption else { throw PowerCut() }
    interruption.request()
    return nil
  }
}
