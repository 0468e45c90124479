import GyroExperiments
import Testing

private func recipe(_ overrides: String...) throws(RecipeError) -> Recipe {
  var parsed: [RecipeOverride] = []
  for text in overrides { parsed.append(try RecipeOverride(text)) }
  return try Recipe(yaml: soundRecipe, file: "tiny.yaml", overrides: parsed)
}

private func words(_ overrides: String...) -> String {
  do {
    var parsed: [RecipeOverride] = []
    for text in overrides { parsed.append(try RecipeOverride(text)) }
    _ = try Recipe(yaml: soundRecipe, file: "tiny.yaml", overrides: parsed)
    return "no error"
  } catch {
    return error.description
  }
}

@Suite struct RecipeOverrideTests {
  @Test func aPathOfKeysReplacesAValue() throws {
    #expect(try recipe("seed=9").seed == 9)
    #expect(try recipe("name=other").name == "other")
    #expect(try recipe("data.train=[a.txt, b.txt]").data.train == .text(files: ["a.txt", "b.txt"]))
  }

  @Test func listsTakeAnIndexOrAKey() throws {
    for path in ["stages[2].train.steps", "stages.2.train.steps", "stages.train.steps"] {
      guard case .train(let stage) = try recipe("\(path)=7").stages[2] else {
        Issue.record("\(path) changed the kind of the stage")
        return
      }
      #expect(stage.steps == 7)
    }
  }

  @Test func theLastOverrideOfAKeyWins() throws {
    #expect(try recipe("seed=9", "seed=10").seed == 10)
  }

  @Test func aKeyThatWasAbsentIsAdded() throws {
    #expect(try recipe("precision=split-bfloat16").precision == .splitBFloat16)
  }

  @Test func mistakesNameTheOverride() {
    #expect(words("seed") == "--set seed: expected path.to.key=value")
    #expect(words("a..b=1") == "--set a..b=1: 'a..b' is not a path of keys")
    #expect(words("seed=") == "--set seed=: nothing stands after the '='")
    #expect(
      words("name.first=1") == "--set name.first=1: name is 'tiny', so it has no key 'first'")
    #expect(
      words("stages[9].train.steps=1")
        == "--set stages[9].train.steps=1: stages has 5 elements, so there is no [9]")
    #expect(
      words("stages.rotate.steps=1")
        == "--set stages.rotate.steps=1: no element of stages has the key 'rotate'")
    #expect(
      words("stages.train.steps=few")
        == "--set stages.train.steps=few: stages[2].train.steps should be a whole number from 1 "
        + "to 1000000000, got 'few'")
    #expect(
      words("sceme.keep=[]")
        == "--set sceme.keep=[]: unknown key 'sceme'; did you mean 'scheme'? Known keys: "
        + "name, description, model, data, scheme, precision, seed, stages")
  }

  @Test func theResolvedTextDecodesToTheSameRecipe() throws {
    let original = try recipe("name=123", "stages.train.loss=distillation", "scheme.keep=['*']")
    let again = try Recipe(yaml: original.yaml, file: "again.yaml")
    #expect(again == original)
    #expect(again.name == "123")
  }
}
