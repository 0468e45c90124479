import Foundation
import Gyro
import Testing

private let rungs = """
    - ladder:
        label: climb
        length: 16
        rungs:
          - { label: turned by chance, start: orthogonal, seed: 5, length: 12 }
          - { label: hadamard, start: hadamard, local: whip, local-steps: 3, batch: 2, length: 12 }
          - label: learned
            start: identity
            scalings: [feed-forward]
            steps: 5
            rate: 0.02
            batch: 2
            length: 12
            checkpoint-every: 1
          - { label: learned on, steps: 3, rate: 0.01, batch: 2, length: 12, checkpoint-every: 1 }
  """
private let recipe = rotationRecipe(
  rungs + "\n" + "  - evaluate: { label: kept, length: 16 }\n  - export: {}")

@Suite("Ladders of rotations")
struct RotationLadderTests {
  private func weights(_ run: URL) throws -> Data {
    try Data(contentsOf: run.appending(path: "model/model.safetensors"))
  }

  @Test func `the best rung is kept, and every figure follows from the losses`() throws {
    try withTemporaryFolder { folder in
      let (run, notes) = (folder.appending(path: "run"), Notes())
      let results = try rotationExperiment(folder, recipe).run(output: run, progress: notes.hear)
      let ladder = results.stages[1]
      let parts = try #require(ladder.parts)
      #expect(
        parts.map(\.label)
          == ["not rotated", "turned by chance", "hadamard", "learned", "learned on"])
      let losses = parts.map { $0.figures["loss"]! }
      let float = results.stages[0].figures["loss"]!
      for (part, loss) in zip(parts, losses).dropFirst() {
        #expect(part.figures["recovered"] == (losses[0] - loss) / (losses[0] - float))
        #expect(part.figures["loss_above_float"] == loss - float)
        #expect(part.figures["mean_sqnr_after"]!.isFinite)
      }
      let best = losses.indices.min { losses[$0] < losses[$1] }!
      #expect(ladder.figures["best_rung"] == Double(best))
      #expect(results.stages[2].figures["loss"] == losses[best])
      #expect(
        notes.texts.contains(
          best == 0
            ? "not rotating is best here: every rotation that was tried lost more"
            : "the best rung is '\(parts[best].label)'"))
      for name in ["2-ladder", "2-activations", "2-sqnr", "2-kurtosis"] {
        let file = run.appending(path: "pictures/\(name).svg")
        #expect(FileManager.default.fileExists(atPath: file.path), "\(name)")
      }
      for rung in 1...4 {
        let file = run.appending(path: "stage-2/rung-\(rung)/rotations.safetensors")
        #expect(FileManager.default.fileExists(atPath: file.path), "\(rung)")
      }
    }
  }

  @Test func `further texts are measured at every rung, and decide nothing`() throws {
    try withTemporaryFolder { folder in
      let alone = try rotationExperiment(folder, recipe).run(output: folder.appending(path: "one"))
      let source = "evaluate: { generated: { tokens: 300, seed: 2 } }"
      #expect(recipe.contains(source))
      let both = recipe.replacing(
        source,
        with: source + """

            also-evaluate: { other: { generated: { tokens: 200, seed: 9 } } }
          """)
      let swapped = recipe.replacing(
        source, with: source.replacing("300, seed: 2", with: "200, seed: 9"))
      let results = try rotationExperiment(folder, both).run(output: folder.appending(path: "both"))
      let others = try rotationExperiment(folder, swapped).run(
        output: folder.appending(path: "other"))
      #expect(results.stages.map(\.label) == alone.stages.map(\.label))
      let figures = [results, alone, others].map { $0.measurements.map(\.figures) }
      for (both, (one, other)) in zip(figures[0].dropLast(), zip(figures[1], figures[2]).dropLast())
      {
        #expect(both["loss"] == one["loss"] && both["recovered"] == one["recovered"])
        #expect(both["loss on other"] == other["loss"])
        #expect(both["perplexity on other"] == other["perplexity"])
        #expect(both["recovered on other"] == other["recovered"])
      }
      #expect(results.table.contains("perplexity on other"))
    }
  }

  @Test func `not to rotate is best where nothing is won`() throws {
    let yaml = """
      name: nothing
      model: model
      data:
        train: { generated: { tokens: 400, seed: 1 } }
        evaluate: { generated: { tokens: 300, seed: 2 } }
      scheme:
        weights: { format: int8, granularity: group-8 }
        rotations: [r1]
      stages:
        - ladder:
            length: 16
            rungs: [{ label: as it is, start: identity, length: 12 }]
        - evaluate: { length: 16 }
      """
    try withTemporaryFolder { folder in
      let notes = Notes()
      let results = try rotationExperiment(folder, yaml).run(
        output: folder.appending(path: "run"), progress: notes.hear)
      #expect(results.stages[0].figures["best_rung"] == 0)
      let losses = results.stages[0].parts!.map { $0.figures["loss"] }
      #expect(losses[0] == losses[1] && results.stages[1].figures["loss"] == losses[0])
      #expect(notes.texts.contains { $0.hasPrefix("not rotating is best here") })
    }
  }

  @Test(arguments: [("learned", 3), ("learned on", 2), ("learned on", 3)])
  func `a ladder survives a power cut, bit for bit`(label: String, step: Int) throws {
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try rotationExperiment(folder, recipe).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try rotationExperiment(folder, recipe).run(
          output: broken, reporter: { name, _ in Stopper(after: name == label ? step : 99) })
      }
      let resumed = try rotationExperiment(folder, recipe).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      #expect(try weights(whole) == weights(broken))
    }
  }

  @Test func `a finished ladder is taken from its folder`() throws {
    let yaml = rotationRecipe(
      rungs + "\n"
        + "  - train: { steps: 3, rate: 1e-3, batch: 2, length: 12, checkpoint-every: 1 }\n"
        + "  - export: {}")
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try rotationExperiment(folder, yaml).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try rotationExperiment(folder, yaml).run(
          output: broken, reporter: { name, _ in Stopper(after: name == "train" ? 2 : 99) })
      }
      let resumed = try rotationExperiment(folder, yaml).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      #expect(try weights(whole) == weights(broken))
    }
  }
}
