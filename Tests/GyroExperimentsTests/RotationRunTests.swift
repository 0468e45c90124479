import Foundation
import Gyro
import Testing

private let recipe = rotationRecipe(
  learnedRotation + "\n"
    + """
      - round: { label: turned, length: 16 }
      - export: {}
    """)

@Suite("Runs that rotate")
struct RotationRunTests {
  private func weights(_ run: URL) throws -> Data {
    try Data(contentsOf: run.appending(path: "model/model.safetensors"))
  }

  private func rotations(_ run: URL) throws -> Data {
    try Data(contentsOf: run.appending(path: "rotations.safetensors"))
  }

  @Test(arguments: [1, 2, 5], [false, true])
  func `learning rotations survives a power cut, bit for bit`(
    step: Int, isBlockwise: Bool
  ) throws {
    let recipe = recipe.replacing(
      "rate: 0.02", with: "rate: 0.02\n      block-wise: \(isBlockwise)")
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try rotationExperiment(folder, recipe).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try rotationExperiment(folder, recipe).run(
          output: broken, reporter: { _, _ in Stopper(after: step) })
      }
      let resumed = try rotationExperiment(folder, recipe).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      #expect(try weights(whole) == weights(broken))
      #expect(try rotations(whole) == rotations(broken))
    }
  }

  @Test func `same seed, same bits; another seed, others`() throws {
    try withTemporaryFolder { folder in
      func run(_ name: String, _ yaml: String) throws -> (Data, ExperimentResults) {
        let run = folder.appending(path: name)
        let results = try rotationExperiment(folder, yaml).run(output: run)
        return (try weights(run), results.withoutTimes)
      }
      let one = try run("one", recipe), two = try run("two", recipe)
      #expect(one == two)
      let other = try run("other", recipe.replacing("label: learned", with: "seed: 7"))
      #expect(other.0 != one.0)
      let data = try run("data", recipe.replacing("\nseed: 3", with: "\nseed: 4"))
      #expect(data.0 != one.0)
    }
  }

  @Test(arguments: ["symmetric: false", "symmetric: false, estimator: clip(initial=0.9)"])
  func `a finished rotation is taken from its folder`(activations: String) throws {
    let yaml = rotationRecipe(
      learnedRotation + "\n"
        + """
          - train: { steps: 4, rate: 1e-3, batch: 2, length: 12, checkpoint-every: 1 }
          - export: {}
        """, activations: activations)
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try rotationExperiment(folder, yaml).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try rotationExperiment(folder, yaml).run(
          output: broken, reporter: { label, _ in Stopper(after: label == "train" ? 2 : 99) })
      }
      let resumed = try rotationExperiment(folder, yaml).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      #expect(try weights(whole) == weights(broken))
    }
  }

  @Test func `a rotated model is measured, drawn, and kept in a file of its own`() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let results = try rotationExperiment(folder, recipe).run(output: run)
      let figures = results.stages[1].figures
      #expect(figures["largest_logit_difference"]! < 1e-4)
      #expect(figures["orthogonality_residual"]! < 1e-5)
      #expect(figures["best_start_divergence"]! <= figures["worst_start_divergence"]!)
      for name in ["mean_sqnr", "least_sqnr", "mean_kurtosis"] {
        #expect(figures[name + "_before"] != figures[name + "_after"])
        #expect(figures[name + "_after"]!.isFinite)
      }
      #expect(figures["stopped_at_step"] == nil)
      for name in ["2-activations", "2-sqnr", "2-kurtosis"] {
        let svg = try String(
          contentsOf: run.appending(path: "pictures/\(name).svg"), encoding: .utf8)
        #expect(svg.contains("not rotated") && svg.contains("learned"), "\(name)")
      }
      let page = try String(contentsOf: run.appending(path: "report.html"), encoding: .utf8)
      #expect(page.contains("what quantizers keep of activations"))
      // What was written computes what was measured, to the bit.
      #expect(results.stages[3].figures["loss"] == results.stages[2].figures["loss"])

      let file = try SafetensorsFile(contentsOf: run.appending(path: "rotations.safetensors"))
      #expect(file.names.contains("r1") && file.names.contains("scalings.keys.1"))
      #expect(file.metadata["scheme"] == results.schemeFingerprint)
      #expect(file.metadata["scheme_summary"] == results.scheme)
    }
  }

  @Test func `a checkpoint with online rotations evaluates to the same number`() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let experiment = try rotationExperiment(folder, recipe)
      let results = try experiment.run(output: run)
      var options = CheckpointEvaluation.Options()
      options.length = 16
      let found = try CheckpointEvaluation(
        run.appending(path: "model"), on: .recipe(experiment), options)
      #expect(found.scheme == results.scheme)
      #expect(found.figures["loss"] == results.stages[2].figures["loss"])

      let language = try LanguageModel(contentsOf: run.appending(path: "model"))
      let there = try #require(language.scheme)
      #expect(there.rotations?.placements == [.residual, .values, .keys, .feedForward])
    }
  }

  @Test func `an outlier twin is measured and drawn, with a scheme and without`() throws {
    let twin = "  - outliers: { label: twin, windows: 4 }\n"
    let quantized = rotationRecipe(twin + "  - rotate: { length: 12 }")
    let float = """
      name: float
      model: model
      data: { train: { generated: { tokens: 200, seed: 1 } } }
      stages:
      """ + "\n" + twin
    try withTemporaryFolder { folder in
      for (yaml, stage) in [(quantized, 1), (float, 0)] {
        let run = folder.appending(path: "run-\(stage)")
        let results = try rotationExperiment(folder, yaml).run(output: run)
        let figures = results.stages[stage].figures
        #expect(figures["mean_kurtosis_after"]! > 1.5 * figures["mean_kurtosis_before"]!)
        #expect((figures["mean_sqnr_after"] != nil) == (stage == 1))
        let pictures = try FileManager.default.contentsOfDirectory(
          atPath: run.appending(path: "pictures").path)
        #expect(pictures.contains("\(stage + 1)-activations.svg"))
        #expect(pictures.contains("\(stage + 1)-kurtosis.svg"))
        if stage == 1 {
          #expect(figures["mean_sqnr_after"] != figures["mean_sqnr_before"])
          // A Hadamard start takes the outliers away again.
          let turned = results.stages[2].figures
          #expect(turned["mean_sqnr_before"] != figures["mean_sqnr_before"])
          #expect(turned["mean_sqnr_after"]! > turned["mean_sqnr_before"]!)
          #expect(turned["mean_kurtosis_after"]! < turned["mean_kurtosis_before"]!)
        }
        let again = try rotationExperiment(folder, yaml).run(output: run, existing: .resume)
        #expect(again == results)
      }
    }
  }

  @Test func `a clip learned beside rotations ships with them`() throws {
    let yaml = rotationRecipe(
      learnedRotation + "\n  - round: { label: turned, length: 16 }\n  - export: {}",
      activations: "symmetric: false, estimator: clip(initial=0.9)")
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let experiment = try rotationExperiment(folder, yaml)
      let results = try experiment.run(output: run)
      let shipped = try LanguageModel(contentsOf: run.appending(path: "model"))
      let clips = shipped.parameters.paths.filter { $0.name.hasSuffix("input_clip") }
      #expect(clips.count == 9)
      #expect(clips.allSatisfy { shipped.parameters[$0].item != 0.9 })
      var options = CheckpointEvaluation.Options()
      options.length = 16
      let found = try CheckpointEvaluation(
        run.appending(path: "model"), on: .recipe(experiment), options)
      #expect(found.figures["loss"] == results.stages[2].figures["loss"])
    }
  }

  @Test func `another scheme than the checkpoint's is refused, both printed`() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      try rotationExperiment(folder, recipe).run(output: run)
      let yaml = """
        name: changed
        model: run/model
        scheme: { weights: { format: int4 }, rotations: [r1, r2] }
        stages: [export: {}]
        """
      let language = try LanguageModel(contentsOf: run.appending(path: "model"))
      let there = try #require(language.scheme)
      do {
        try rotationExperiment(folder, yaml).run(output: folder.appending(path: "changed"))
        Issue.record("another scheme was accepted")
      } catch let error as QuantizationError {
        let here = try #require(Recipe(yaml: yaml).scheme)
        #expect(error == .scheme(expected: here, got: there))
        #expect(
          "\(error)".contains(there.summary) && "\(error)".contains(here.summary)
            && "\(error)".contains(there.fingerprint) && "\(error)".contains(here.fingerprint))
      }
    }
  }
}
