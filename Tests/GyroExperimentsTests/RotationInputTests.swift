import Foundation
import Gyro
import Testing

private let kept = "  - evaluate: { label: kept, quantized: true, length: 16 }\n  - export: {}"

@Suite("What rotations are given, good and bad")
struct RotationInputTests {
  /// A run that learned rotations; its file lies at `first/rotations.safetensors`.
  private func first(_ folder: URL) throws -> ExperimentResults {
    try rotationExperiment(folder, rotationRecipe(learnedRotation + "\n" + kept))
      .run(output: folder.appending(path: "first"))
  }

  private func from(_ more: String = "") -> String {
    rotationRecipe(
      "  - rotate: { from: first/rotations.safetensors, length: 12\(more) }\n" + kept)
  }

  @Test func `rotations from a file give the model they were kept from, bit for bit`() throws {
    try withTemporaryFolder { folder in
      let learned = try first(folder)
      let (again, on) = (folder.appending(path: "again"), folder.appending(path: "on"))
      let merged = try rotationExperiment(folder, from()).run(output: again)
      #expect(merged.stages[2].figures == learned.stages[2].figures)
      let weights = "model/model.safetensors", file = "stage-2/rotations.safetensors"
      let there = try Data(contentsOf: folder.appending(path: "first/" + weights))
      #expect(try Data(contentsOf: again.appending(path: weights)) == there)
      #expect(
        try Data(contentsOf: again.appending(path: file))
          == Data(contentsOf: folder.appending(path: "first/rotations.safetensors")))
      #expect(merged.stages[1].figures["mean_sqnr_after"]!.isFinite)
      // With steps, learning goes on from there.
      let yaml = from(", batch: 2, steps: 3, rate: 1e-3")
      let more = try rotationExperiment(folder, yaml).run(output: on)
      #expect(try Data(contentsOf: on.appending(path: weights)) != there)
      let (far, near) = (
        learned.stages[2].figures["loss"]!, more.stages[2].figures["loss"]!
      )
      #expect(abs(near - far) < 0.1)
    }
  }

  @Test(arguments: ["loss: cross-entropy", "temperature: 2"])
  func `blocks learn from no logits, so a loss of logits is refused beside them`(
    key: String
  ) throws {
    let stage = "  - rotate: { block-wise: true, steps: 2, length: 12"
    let error = #expect(throws: RecipeError.self) {
      try Recipe(yaml: rotationRecipe(stage + ", \(key) }"), file: "turned.yaml")
    }
    let text = error?.description ?? ""
    #expect(text.contains("line 17") && text.contains("block-wise") && text.contains("logits"))
    // Without them, what a run keeps of its recipe reads as the same recipe.
    let recipe = try Recipe(yaml: rotationRecipe(stage + " }"), file: "turned.yaml")
    #expect(try Recipe(yaml: recipe.yaml, file: "turned.yaml").yaml == recipe.yaml)
    #expect(recipe.yaml.contains("block-wise: true"))
  }

  @Test func `without a length, windows are as long as a context below 128`() throws {
    try withTemporaryFolder { folder in
      let stages = """
          - rotate: { label: turn, steps: 1, batch: 2, rate: 1e-3 }
          - train: { label: tune, steps: 1, batch: 2, rate: 1e-4 }
        """
      let results = try rotationExperiment(folder, rotationRecipe(stages))
        .run(output: folder.appending(path: "run"))
      // Two windows of the model's 32 tokens.
      #expect(results.stages[1].figures["tokens"] == 64)
      #expect(results.stages[2].figures["tokens"] == 64)
    }
  }

  @Test func `rotations of another model are refused, both fingerprints printed`() throws {
    try withTemporaryFolder { folder in
      _ = try first(folder)
      var configuration = LlamaConfiguration(
        vocabulary: 61, hidden: 16, feedForward: 24, layers: 2, heads: 2, context: 32)
      configuration.initializerDeviation = 0.3
      let (model, parameters) = Llama.initialized(configuration, seed: 6)
      try LanguageModel(model: model, parameters: parameters)
        .write(to: folder.appending(path: "other"))
      let here = try ModelFingerprint.of(configuration, parameters)
      let there = try SafetensorsFile(
        contentsOf: folder.appending(path: "first/rotations.safetensors")
      ).metadata["model"]!
      let yaml = from().replacing("model: model", with: "model: other")
      #expect(throws: RotationError.fingerprint(expected: here, got: there)) {
        try rotationExperiment(folder, yaml).run(output: folder.appending(path: "second"))
      }
    }
  }

  @Test func `rotations learned against another scheme are refused, both schemes printed`() throws {
    try withTemporaryFolder { folder in
      _ = try first(folder)
      let yaml = from().replacing(
        "activations: { format: int4", with: "activations: { format: int8")
      let error = #expect(throws: ExperimentError.self) {
        try rotationExperiment(folder, yaml).run(output: folder.appending(path: "second"))
      }
      let (here, there) = (
        try #require(Recipe(yaml: yaml).scheme), try #require(Recipe(yaml: from()).scheme)
      )
      #expect(
        error?.description.hasSuffix(
          "first/rotations.safetensors: the rotations were learned against scheme "
            + "\(there.fingerprint) (\(there.summary)), the run uses \(here.fingerprint) "
            + "(\(here.summary)); learn them again under this scheme, or run under theirs") == true)
    }
  }

  @Test func `a file that is not there, or stands beside a start, is an error of the recipe`()
    throws
  {
    try withTemporaryFolder { folder in
      let error = #expect(throws: RecipeError.self) { try rotationExperiment(folder, from()) }
      #expect(
        error?.description
          == "turned.yaml, line 17: stages[1].rotate.from: there is no file of rotations here: "
          + "first/rotations.safetensors")
      let both = #expect(throws: RecipeError.self) {
        try Recipe(yaml: from(", start: hadamard"), file: "turned.yaml")
      }
      #expect(
        both?.description == "turned.yaml, line 17: stages[1].rotate.from: rotations begin with a "
          + "file, or with 'start' and 'candidates'")
      let recipe = try Recipe(yaml: from(", stop-above: 5"))
      #expect(try Recipe(yaml: recipe.yaml) == recipe)
    }
  }

  @Test func `learning that diverges stops, keeps the best rotations and says which rate to try`()
    throws
  {
    let yaml = rotationRecipe(
      """
        - rotate:
            label: wild
            steps: 12
            rate: 0.8
            schedule: constant
            batch: 2
            length: 12
            stop-above: 1.02
            checkpoint-every: 1
      """ + "\n" + kept)
    try withTemporaryFolder { folder in
      let (run, notes) = (folder.appending(path: "run"), Notes())
      let results = try rotationExperiment(folder, yaml).run(output: run, progress: notes.hear)
      let figures = results.stages[1].figures
      let step = try #require(figures["stopped_at_step"])
      #expect(step < 12 && figures["steps"] == step && figures["best_step"]! < step)
      let note = try #require(notes.texts.first { $0.hasPrefix("wild: learning diverged") })
      #expect(note.hasSuffix("are kept. Try rate: 0.2"))
      #expect(figures["largest_logit_difference"]! < 1e-4)
      // Resumed in the middle, or after the end, it is the same run.
      let broken = folder.appending(path: "broken")
      #expect(throws: Stopper.PowerCut.self) {
        try rotationExperiment(folder, yaml).run(
          output: broken, reporter: { _, _ in Stopper(after: 1) })
      }
      let resumed = try rotationExperiment(folder, yaml).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == results.withoutTimes)
      let again = try rotationExperiment(folder, yaml).run(output: run, existing: .resume)
      #expect(again == results)
      // Without a limit it goes on to the end.
      let free = yaml.replacing("stop-above: 1.02", with: "stop-above: 0")
      let whole = try rotationExperiment(folder, free).run(output: folder.appending(path: "free"))
      #expect(whole.stages[1].figures["steps"] == 12)
    }
  }

  @Test func `numbers that are not finite end learning the same way`() throws {
    let yaml = rotationRecipe(
      """
        - rotate:
            scalings: [feed-forward]
            scaling-rate: 1000
            steps: 5
            rate: 0.01
            batch: 2
            length: 12
      """ + "\n" + kept)
    try withTemporaryFolder { folder in
      let (run, notes) = (folder.appending(path: "run"), Notes())
      let results = try rotationExperiment(folder, yaml).run(output: run, progress: notes.hear)
      #expect(results.stages[1].figures["stopped_at_step"] == 1)
      #expect(results.stages[1].figures["best_step"] == 0)
      #expect(
        notes.texts.contains {
          $0.hasPrefix("rotated: learning diverged")
            && $0.hasSuffix("Try rate: 0.0025, scaling-rate: 250")
        })
      let again = try rotationExperiment(folder, yaml).run(output: run, existing: .resume)
      #expect(again == results)
      let strict = yaml.replacing("steps: 5", with: "steps: 5\n      stop-above: 0")
      #expect(throws: TrainingError.self) {
        try rotationExperiment(folder, strict).run(output: folder.appending(path: "strict"))
      }
    }
  }

  @Test func `a size without a Hadamard matrix is told with what is used instead`() throws {
    try withTemporaryFolder { folder in
      var configuration = LlamaConfiguration(
        vocabulary: 61, hidden: 18, feedForward: 344 / 4, layers: 1, heads: 3, context: 32)
      configuration.initializerDeviation = 0.3
      let (model, parameters) = Llama.initialized(configuration, seed: 6)
      try LanguageModel(model: model, parameters: parameters)
        .write(to: folder.appending(path: "model"))
      let yaml = rotationRecipe("  - rotate: { length: 12 }")
        .replacing("head-8", with: "head-6")
      let notes = Notes()
      let results = try rotationExperiment(folder, yaml).run(
        output: folder.appending(path: "run"), progress: notes.hear)
      #expect(results.stages[1].figures["largest_logit_difference"]! < 1e-4)
      for (place, size) in [("R1 begins as", 18), ("R2 begins as", 6), ("R3 is", 6), ("R4 is", 86)]
      {
        #expect(notes.texts.contains("\(place) \(HadamardTransform(size: size))"), "\(place)")
      }
      #expect(
        notes.texts.contains(
          "R3 is 6 = Hadamard 2 times Hartley 3: the size of a Hadamard matrix is 1, 2 or a "
            + "multiple of 4"))
    }
  }

  @Test func `a model without a place for a rotation is told why`() throws {
    try withTemporaryFolder { folder in
      let image = """
        name: image
        model: { architecture: mlp, classes: 10, image: [1, 28, 28], hidden: [12, 8] }
        data: { train: { digits: { count: 16, seed: 1 } } }
        scheme: { weights: { format: int8 }, rotations: [ROTATION] }
        stages: [rotate: { length: 12 }]
        """
      func text(_ yaml: String) throws -> String {
        do {
          try rotationExperiment(folder, yaml).run(output: folder.appending(path: "run"))
          return "accepted"
        } catch {
          try? FileManager.default.removeItem(at: folder.appending(path: "run"))
          return "\(error)"
        }
      }
      #expect(
        try text(image.replacing("ROTATION", with: "r4"))
          == "rotation r4 is not possible: the model has no down_proj to put a transform before; "
          + "leave it out of the scheme's rotations")
      #expect(
        try text(image.replacing("ROTATION", with: "r1"))
          == "stage 'rotated': only models of the Llama family can be rotated")
      // A quantized checkpoint has its weights on grids.
      _ = try first(folder)
      let quantized = """
        name: quantized
        model: first/model
        data: { train: { generated: { tokens: 100, seed: 1 } } }
        """
      let scheme = rotationRecipe("  - rotate: { length: 12 }")
      let rest = scheme[scheme.range(of: "scheme:")!.lowerBound...]
        .replacing("- evaluate: { label: float, length: 16 }", with: "- export: {}")
      let error = try text(
        quantized.replacing("data: { train: { generated: { tokens: 100, seed: 1 } } }", with: rest))
      #expect(
        error == "stage 'rotated': the checkpoint is quantized, and a rotation would move its "
          + "weights off their grids; rotate the float checkpoint it was made from")
    }
  }

  @Test func `training between preparation and rotation moves gains, which are folded anew`() throws
  {
    let yaml = rotationRecipe(
      """
        - train: { steps: 2, rate: 1e-2, batch: 2, length: 12, quantized: false }
        - rotate: { length: 12 }
        - evaluate: { label: turned, length: 16 }
      """)
    try withTemporaryFolder { folder in
      let results = try rotationExperiment(folder, yaml).run(
        output: folder.appending(path: "run"))
      #expect(results.stages[2].figures["largest_logit_difference"]! < 1e-4)
    }
  }

  @Test func `ranges that are found once are found for the rotated model`() throws {
    let range = "granularity: tensor, symmetric: false, range: percentile-99, estimator: clipped"
    let yaml = rotationRecipe(learnedRotation + "\n" + kept, activations: range)
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let results = try rotationExperiment(folder, yaml).run(output: run)
      #expect(results.stages[2].figures["loss"] == results.stages[3].figures["loss"])
      // The same ranges as those of a run that only merges the same rotations.
      let merged = rotationRecipe(
        "  - rotate: { from: run/rotations.safetensors, length: 12 }\n" + kept,
        activations: range)
      let again = try rotationExperiment(folder, merged).run(
        output: folder.appending(path: "again"))
      #expect(again.stages[2].figures == results.stages[2].figures)
    }
  }
}
