import Foundation
import Gyro
import Testing

/// Learned steps, moving ranges, milestones, watched and dampened weights: everything a quantized
/// run carries from step to step.
private let statefulRecipe = """
  name: stateful
  model: model
  data:
    train: { generated: { tokens: 600, seed: 1 } }
    calibrate: { generated: { tokens: 300, seed: 4 } }
    evaluate: { generated: { tokens: 300, seed: 2 } }
  scheme:
    weights: { format: int4, granularity: group-8, estimator: lsq }
    activations: { format: int8, granularity: tensor, symmetric: false, range: moving-average }
    rules:
      - match: down_proj
        activations: { format: uint8, granularity: tensor, symmetric: false, estimator: lsq+ }
  seed: 3
  stages:
    - evaluate: { label: float, length: 16 }
    - calibrate: { batches: 2, batch: 2, length: 12 }
    - evaluate: { label: rounded, length: 16 }
    - train:
        steps: 9
        rate: 1e-3
        batch: 2
        length: 12
        scale-rate: 2
        health: 2
        dampening: 0.1
        freezing: 0.05
        loss: distillation
        checkpoint-every: 1
        milestones:
          - { at: 0, observers: on, weights: on }
          - { at: 2, activations: on, distillation: 0.5 }
          - { at: 6, observers: off, scales: frozen, distillation: 1 }
    - evaluate: { label: tuned, length: 16 }
    - export: {}
  """

@Suite("Runs of quantized models")
struct QuantizedRunTests {
  private static func experiment(_ folder: URL, _ yaml: String = statefulRecipe) throws
    -> Experiment
  {
    if !FileManager.default.fileExists(atPath: folder.appending(path: "model").path) {
      try writeTinyModel(to: folder.appending(path: "model"))
    }
    return try Recipe(yaml: yaml, file: "stateful.yaml").resolve(relativeTo: folder)
  }

  private func file(_ name: String, _ run: URL) throws -> Data {
    try Data(contentsOf: run.appending(path: name))
  }

  @Test(arguments: [1, 2, 5, 7])
  func `learned scales, observers and milestones survive a power cut, bit for bit`(step: Int) throws
  {
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try Self.experiment(folder).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try Self.experiment(folder).run(output: broken, reporter: { _, _ in Stopper(after: step) })
      }
      let resumed = try Self.experiment(folder).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      for name in ["model/model.safetensors", "health.jsonl"] {
        #expect(try file(name, whole) == file(name, broken), "\(name)")
      }
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a run killed with signal 9 goes on to the same bits`() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gyro-killed-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.path
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      /// Ends the process at once when a step is done.
      final class Killer: TrainingCallback {
        func handle(_ event: TrainingEvent, _ state: inout TrainingState) -> TrainingEvent? {
          if case .stepped(let metrics) = event, metrics.step == 7 { kill(getpid(), SIGKILL) }
          return nil
        }
      }
      let folder = URL(fileURLWithPath: path)
      try QuantizedRunTests.experiment(folder).run(
        output: folder.appending(path: "broken"), reporter: { _, _ in Killer() })
    }
    let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
    let expected = try Self.experiment(folder).run(output: whole)
    let resumed = try Self.experiment(folder).run(output: broken, existing: .resume)
    #expect(resumed.withoutTimes == expected.withoutTimes)
    #expect(try file("model/model.safetensors", whole) == file("model/model.safetensors", broken))
  }

  @Test func `a stage of milestones is drawn before it begins, and refused when unreachable`()
    throws
  {
    try withTemporaryFolder { folder in
      var notes: [String] = []
      try Self.experiment(folder).run(
        output: folder.appending(path: "run"),
        progress: { if case .note(let text) = $0 { notes.append(text) } })
      #expect(notes.contains { $0.contains("observers     #") && $0.contains("activations   -") })
      let late = statefulRecipe.replacing("{ at: 6,", with: "{ at: 9,")
      #expect {
        try Recipe(yaml: late, file: "stateful.yaml")
      } throws: { error in
        "\(error)".hasSuffix(
          "milestone 'observers off' at step 9 is never reached: the run has 9 steps (0…8); "
            + "move it to an earlier step, or train longer")
      }
    }
  }

  @Test func `training moves learned steps and observed ranges, and leaves frozen ones`() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let results = try Self.experiment(folder).run(output: run)
      #expect(results.stages[1].figures["sites"] == 9)
      let rounded = try #require(results.stages[2].figures["divergence"])
      let tuned = try #require(results.stages[4].figures["divergence"])
      #expect(rounded != tuned)
      #expect(results.stages[5].figures["loss"] == results.stages[4].figures["loss"])
      let health = try String(decoding: file("health.jsonl", run), as: UTF8.self)
      #expect(health.contains("\"clipped\"") && health.contains("mlp.up_proj.weight"))
    }
  }

  @Test func `weights are watched as milestones have them: not while they are float`() throws {
    let yaml = statefulRecipe.replacing("health: 2", with: "health: 1")
      .replacing("{ at: 0, observers: on, weights: on }", with: "{ at: 0, observers: on }")
      .replacing("{ at: 2, activations: on,", with: "{ at: 4, weights: on, activations: on,")
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      try Self.experiment(folder, yaml).run(output: run)
      struct Sample: Decodable { let step: Int }
      let steps = try String(decoding: file("health.jsonl", run), as: UTF8.self)
        .split(separator: "\n").map {
          try JSONDecoder().decode(Sample.self, from: Data($0.utf8)).step
        }
      #expect(Set(steps).sorted() == Array(4...9))
    }
  }

  @Test func `a comparison rounds under each scheme and leaves the model as it was`() throws {
    let yaml = """
      name: comparison
      model: model
      data: { evaluate: { generated: { tokens: 300, seed: 2 } } }
      seed: 3
      stages:
        - evaluate: { label: float, length: 16 }
        - compare:
            length: 16
            schemes:
              eight: { weights: { format: int8 }, activations: { format: int8 } }
              two: { weights: { format: int2 } }
        - evaluate: { label: again, length: 16 }
      """
    try withTemporaryFolder { folder in
      let results = try Self.experiment(folder, yaml).run(output: folder.appending(path: "run"))
      let labels = results.measurements.map(\.label)
      #expect(labels == ["float", "eight", "two", "again"])
      let divergences = results.measurements.compactMap { $0.figures["divergence"] }
      #expect(divergences.count == 2 && divergences[0] < divergences[1])
      #expect(results.measurements[0].figures["loss"] == results.measurements[3].figures["loss"])
    }
  }

  @Test func `batch normalization is measured anew after training`() throws {
    let yaml = """
      name: anew
      model: { architecture: resnet, classes: 10, image: [1, 28, 28], width: 2, blocks: 1 }
      data: { train: { digits: { count: 64, seed: 1 } }, evaluate: { digits: { count: 16, seed: 2 } } }
      scheme:
        weights: { format: int3, granularity: tensor, estimator: lsq }
        rules: [{ match: ^conv1, weights: { format: int8 } }]
      seed: 3
      stages:
        - train: { steps: 2, batch: 8, rate: 1e-3, optimizer: sgd, reestimate-batch-norm: 3 }
        - evaluate: {}
        - export: {}
      """
    try withTemporaryFolder { folder in
      func loss(_ yaml: String, _ name: String) throws -> Double? {
        let results = try Recipe(yaml: yaml).resolve(relativeTo: folder)
          .run(output: folder.appending(path: name))
        #expect(results.stages[2].figures["loss"] == results.stages[1].figures["loss"])
        return results.stages[1].figures["loss"]
      }
      let anew = try loss(yaml, "anew")
      let kept = try loss(yaml.replacing("reestimate-batch-norm: 3", with: "momentum: 0.9"), "kept")
      #expect(anew != kept)
    }
  }

  @Test func `a range that no batch can give is an error before anything is quantized`() throws {
    let yaml = statefulRecipe.replacing("range: moving-average", with: "range: batch-norm")
    try withTemporaryFolder { folder in
      #expect(throws: RangeError.self) {
        try Self.experiment(folder, yaml).run(output: folder.appending(path: "run"))
      }
    }
  }
}
