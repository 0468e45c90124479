import Foundation
import GyroExperiments
import Testing

/// A recipe that is right; tests break one line of it at a time.
let soundRecipe = """
  name: tiny
  model: Checkpoints/novelist
  data:
    train: { generated: { tokens: 4096, seed: 1 } }
    evaluate: { generated: { tokens: 1024, seed: 2 } }
  scheme:
    weights: { format: int8, granularity: channel }
    activations: { format: int8, granularity: token }
    keep: [lm_head]
  seed: 3
  stages:
    - evaluate: { label: float }
    - round: { label: rounded }
    - train: { steps: 3, rate: 1e-4, batch: 2, length: 16 }
    - evaluate: { label: tuned }
    - export: { format: huggingface }
  """

/// The words of the error that a changed recipe gives.
private func words(
  _ old: String, _ new: String, sourceLocation: SourceLocation = #_sourceLocation
) -> String {
  let text = soundRecipe.replacing(old, with: new)
  #expect(text != soundRecipe, "'\(old)' is not there", sourceLocation: sourceLocation)
  do {
    _ = try Recipe(yaml: text, file: "tiny.yaml")
    return "no error"
  } catch {
    return error.description
  }
}

@Suite struct RecipeErrorTests {
  @Test func aSoundRecipeDecodes() throws {
    let recipe = try Recipe(yaml: soundRecipe, file: "tiny.yaml")
    #expect(recipe.name == "tiny" && recipe.seed == 3 && recipe.stages.count == 5)
    #expect(recipe.scheme?.fingerprint.count == 16)
  }

  @Test func aMisspeltKeyNamesItsLineAndTheNearestKey() {
    #expect(
      words("steps: 3", "stesp: 3")
        == "tiny.yaml, line 14: unknown key 'stesp' in stages[2].train; did you mean 'steps'? "
        + "Known keys: label, steps, rate, schedule, warmup, floor, batch, length, loss, "
        + "quantized, optimizer, momentum, weight-decay, clip, accumulate, average, recompute, "
        + "checkpoint-every, scale-rate, temperature, distillation, milestones, health, "
        + "dampening, freezing, reestimate-batch-norm")
    #expect(
      words("seed: 3", "sede: 3")
        == "tiny.yaml, line 10: unknown key 'sede'; did you mean 'seed'? Known keys: "
        + "name, description, model, data, scheme, precision, seed, stages")
  }

  @Test func furtherTextsGoBesideTheOneThatDecides() {
    let evaluate = "  evaluate: { generated: { tokens: 1024, seed: 2 } }\n"
    #expect(
      words(evaluate, "  also-evaluate: { b: x.txt }\n")
        == "tiny.yaml, line 5: data.also-evaluate: it goes with data.evaluate, which decides")
    #expect(
      words(evaluate, evaluate + "  also-evaluate: [b.txt]\n")
        == "tiny.yaml, line 6: data.also-evaluate should be a mapping of names to values, "
        + "got a list of 1")
  }

  @Test func anUnknownKeyFarFromAllOthersIsNotGuessedAt() {
    #expect(
      words("keep:", "temperature:")
        == "tiny.yaml, line 9: unknown key 'temperature' in scheme. "
        + "Known keys: weights, activations, embeddings, cache, sites, rules, keep, rotations")
  }

  @Test func anUnknownStageIsAnUnknownKey() {
    #expect(
      words("- round:", "- polish:")
        == "tiny.yaml, line 13: unknown key 'polish' in stages[1]. "
        + "Known keys: outliers, calibrate, compare, evaluate, rotate, ladder, gptq, train, round, "
        + "export")
  }

  @Test func aWrongTypeSaysWhatWasExpectedAndWhatCame() {
    #expect(
      words("steps: 3", "steps: many")
        == "tiny.yaml, line 14: stages[2].train.steps should be a whole number from 1 to "
        + "1000000000, got 'many'")
    #expect(
      words("steps: 3", "steps: 2.5")
        == "tiny.yaml, line 14: stages[2].train.steps should be a whole number from 1 to "
        + "1000000000, got '2.5'")
    #expect(
      words("rate: 1e-4", "rate: '1e-4'")
        == "tiny.yaml, line 14: stages[2].train.rate should be a number from 0.0 to 1000.0, "
        + "got '1e-4'")
    #expect(
      words("rate: 1e-4", "rate: .nan")
        == "tiny.yaml, line 14: stages[2].train.rate should be a number from 0.0 to 1000.0, "
        + "got '.nan'")
    #expect(
      words("[lm_head]", "lm_head")
        == "tiny.yaml, line 9: scheme.keep should be a list, got 'lm_head'")
    #expect(
      words("  - export: { format: huggingface }", "  - export")
        == "tiny.yaml, line 16: stages[4] should be a mapping of keys to values, got 'export'")
  }

  @Test func aValueOutOfRangeSaysTheRange() {
    #expect(
      words("steps: 3", "steps: 0")
        == "tiny.yaml, line 14: stages[2].train.steps should be a whole number from 1 to "
        + "1000000000, got 0")
    #expect(
      words("name: tiny", "name: ../tiny")
        == "tiny.yaml, line 1: name should be a name that can be a folder's, got '../tiny'")
  }

  @Test func anUnknownFormatListsTheKnownOnes() {
    #expect(
      words("activations: { format: int8,", "activations: { format: int9,").hasPrefix(
        "tiny.yaml, line 8: unknown number format 'int9' in scheme.activations.format; "
          + "did you mean 'int2'? Known: int2, int3, int4, "))
    #expect(
      words("granularity: token", "granularity: channel")
        == "tiny.yaml, line 8: unknown granularity 'channel' in scheme.activations.granularity. "
        + "Known: tensor, token, group-32, head-64")
    #expect(
      words("format: huggingface", "format: ggml")
        == "tiny.yaml, line 16: unknown export format 'ggml' in stages[4].export.format; "
        + "did you mean 'gguf'? "
        + "Known: huggingface, compressed-tensors, gguf, onnx, mlx, safetensors")
    #expect(
      words("format: huggingface", "format: gguf, storage: q9")
        == "tiny.yaml, line 16: unknown storage type of gguf 'q9' in stages[4].export.storage. "
        + "Known: q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q6_k, tq1_0, tq2_0, mxfp4, nvfp4, f16, bf16, f32"
    )
  }

  @Test func aMissingKeyNamesWhereItBelongs() {
    #expect(
      words("rate: 1e-4, ", "")
        == "tiny.yaml, line 14: the key 'rate' is missing in stages[2].train")
    #expect(
      words("name: tiny\n", "") == "tiny.yaml, line 1: the key 'name' is missing")
  }

  @Test func aKeyGivenTwiceIsAnError() {
    #expect(
      words("seed: 3", "seed: 3\nseed: 4")
        == "tiny.yaml, line 10: the key 'seed' stands twice; keep one of them")
  }

  @Test func textThatIsNotYAMLNamesItsLine() {
    #expect(
      words("seed: 3", "seed: [3").hasPrefix("tiny.yaml, line 11: this is not YAML: "))
    #expect(throws: RecipeError.syntax(file: "e.yaml", line: nil, problem: "the file is empty")) {
      try Recipe(yaml: "", file: "e.yaml")
    }
    #expect(
      throws: RecipeError.self,
      "a list is no recipe"
    ) { try Recipe(yaml: "- a", file: "l.yaml") }
  }

  @Test func whatCannotGoTogetherIsSaid() {
    #expect(
      words("rate: 1e-4", "warmup: 4, rate: 1e-4")
        == "tiny.yaml, line 14: stages[2]: warmup (4) must not be longer than steps (3)")
    #expect(
      words("label: tuned", "label: float")
        == "tiny.yaml, line 15: stages[3]: the label 'float' is used by a stage before")
    #expect(
      words("  evaluate: { generated: { tokens: 1024, seed: 2 } }\n", "")
        == "tiny.yaml, line 11: stages[0]: the stage needs data.evaluate")
    #expect(
      words("{ generated: { tokens: 4096, seed: 1 } }", "{ text: a.txt, digits: { count: 3 } }")
        == "tiny.yaml, line 4: data.train should be one of text, generated, digits, images, "
        + "got text and digits")
  }

  @Test func aFileThatIsNotThereIsNamed() {
    let url = URL(filePath: "/nowhere/a.yaml")
    #expect(
      throws: RecipeError.unreadable(file: "/nowhere/a.yaml", reason: "there is no such file")
    ) { try Recipe.load(url) }
  }
}
