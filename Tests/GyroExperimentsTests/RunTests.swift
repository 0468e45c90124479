import Foundation
import Gyro
import Testing

@Suite struct RunTests {
  private func experiment(_ folder: URL, _ yaml: String = tinyRecipe) throws -> Experiment {
    if !FileManager.default.fileExists(atPath: folder.appending(path: "model").path) {
      try writeTinyModel(to: folder.appending(path: "model"))
    }
    return try Recipe(yaml: yaml, file: "tiny.yaml").resolve(relativeTo: folder)
  }

  /// The lines of a metrics file without what a clock or the system decides.
  private func metrics(_ run: URL) throws -> [[String: Double]] {
    let text = try String(contentsOf: run.appending(path: "metrics.jsonl"), encoding: .utf8)
    return try text.split(separator: "\n").map { line in
      let values = try JSONDecoder().decode([String: Double].self, from: Data(line.utf8))
      return values.filter { !["seconds", "items_per_second", "resident_bytes"].contains($0.key) }
    }
  }

  private func weights(_ run: URL) throws -> Data {
    try Data(contentsOf: run.appending(path: "model/model.safetensors"))
  }

  @Test func aRunLeavesWhatItPromises() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let results = try experiment(folder).run(output: run)
      #expect(results.stages.map(\.kind) == ["evaluate", "round", "train", "evaluate", "export"])
      #expect(results.stages.map(\.quantized) == [false, true, true, true, true])
      for name in ["recipe.yaml", "results.json", "report.html", "metrics.jsonl"] {
        #expect(FileManager.default.fileExists(atPath: run.appending(path: name).path), "\(name)")
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: run.path)
      #expect(names.contains { $0.hasPrefix("events.out.tfevents.") })
      #expect(try metrics(run).count == 7)
      let figures = results.stages[0].figures
      #expect(figures["perplexity"] == exp(figures["loss"]!))
      #expect(results.stages[1].figures["loss_above_float"] != nil)
      // What was written computes what was measured, to the bit.
      #expect(results.stages[4].figures["loss"] == results.stages[3].figures["loss"])
      let page = try String(contentsOf: run.appending(path: "report.html"), encoding: .utf8)
      #expect(page.contains("<polyline") && page.contains("rounded"))
      // The recipe beside the results is the resolved one.
      let text = try String(contentsOf: run.appending(path: "recipe.yaml"), encoding: .utf8)
      #expect(try Recipe(yaml: text) == Recipe(yaml: tinyRecipe))
    }
  }

  @Test func aRunIsAFunctionOfItsRecipe() throws {
    try withTemporaryFolder { folder in
      let (one, two) = (folder.appending(path: "one"), folder.appending(path: "two"))
      let first = try experiment(folder).run(output: one)
      let second = try experiment(folder).run(output: two)
      #expect(first.withoutTimes == second.withoutTimes)
      #expect(try weights(one) == weights(two))
      let other = tinyRecipe.replacing("seed: 3", with: "seed: 4")
      let third = try experiment(folder, other).run(output: folder.appending(path: "three"))
      #expect(third.stages[2].figures["training_loss"] != first.stages[2].figures["training_loss"])
    }
  }

  @Test(arguments: [1, 3, 4, 6])
  func aKilledAndResumedRunEqualsOneThatNeverStopped(step: Int) throws {
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try experiment(folder).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try experiment(folder).run(
          output: broken, reporter: { _, _ in Stopper(after: step) })
      }
      let resumed = try experiment(folder).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      #expect(try weights(whole) == weights(broken))
      #expect(try metrics(whole) == metrics(broken))
    }
  }

  @Test func anInterruptedRunSavesAndGoesOn() throws {
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try experiment(folder).run(output: whole)
      let interruption = Interruption()
      do {
        try experiment(folder).run(
          output: broken, interruption: interruption,
          reporter: { _, _ in Stopper(after: 4, interruption) })
        Issue.record("the run was not interrupted")
      } catch TrainingError.interrupted(let step, let checkpoint) {
        #expect(step == 4 && checkpoint != nil)
      }
      let resumed = try experiment(folder).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      #expect(try weights(whole) == weights(broken))
    }
  }

  @Test func aFinishedRunResumesToItsResults() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let first = try experiment(folder).run(output: run)
      var skipped = 0
      let again = try experiment(folder).run(
        output: run, existing: .resume,
        progress: { if case .skipped = $0 { skipped += 1 } })
      #expect(again == first && skipped == 5)
    }
  }

  @Test func aFolderHoldsOneRun() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      try experiment(folder).run(output: run)
      #expect(throws: ExperimentError.alreadyRun(folder: run.path)) {
        try experiment(folder).run(output: run)
      }
      let other = tinyRecipe.replacing("rate: 1e-3", with: "rate: 2e-3")
      do {
        try experiment(folder, other).run(output: run, existing: .resume)
        Issue.record("another recipe was resumed")
      } catch let error as ExperimentError {
        #expect(
          error.description == "\(run.path) holds a run of another recipe: 'rate: 0.001' there, "
            + "'rate: 0.002' here. Resume with the recipe and --set values it was started with, "
            + "or choose another folder with --output")
      }
      let replaced = try experiment(folder, other).run(output: run, existing: .overwrite)
      #expect(replaced.stages.count == 5)
    }
  }

  @Test func twoRunsInOneFolderAreRefused() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      try FileManager.default.createDirectory(at: run, withIntermediateDirectories: true)
      let lock = try DirectoryLock(run)
      do {
        try experiment(folder).run(output: run)
        Issue.record("the second run started")
      } catch FileError.directoryInUse(let path, let process, _) {
        #expect(path == run.path && process == Int(ProcessInfo.processInfo.processIdentifier))
      }
      withExtendedLifetime(lock) {}
    }
  }

  @Test func distillationFromTheFloatModelStartsNearZero() throws {
    try withTemporaryFolder { folder in
      let recipe = tinyRecipe.replacing(
        "rate: 1e-3", with: "rate: 1e-3\n      loss: distillation")
      let run = folder.appending(path: "run")
      try experiment(folder, recipe).run(output: run)
      let first = try #require(try metrics(run).first?["loss"])
      #expect(first >= 0 && first < 0.1)
    }
  }

  @Test func tooLittleTextIsSaid() throws {
    try withTemporaryFolder { folder in
      let recipe = tinyRecipe.replacing("length: 16", with: "length: 40")
      #expect(
        throws: ExperimentError.unfit(
          what: "stage 'float'",
          reason: "length (40) is longer than the model's context (32)")
      ) { try experiment(folder, recipe).run(output: folder.appending(path: "run")) }
    }
  }

  @Test func aPatternThatKeepsNothingIsAnError() throws {
    try withTemporaryFolder { folder in
      let recipe =
        tinyRecipe
        .replacing("  activations: { format: int8 }", with: "  keep: [lm_haed]")
      #expect(throws: QuantizationError.unmatched("lm_haed", in: "keep")) {
        try experiment(folder, recipe).run(output: folder.appending(path: "run"))
      }
    }
  }
}
