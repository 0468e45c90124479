import Foundation
import Gyro
import Testing

/// The recipes that come with the project.
private let recipeFiles: [URL] = {
  let folder = packageRoot.appending(path: "Recipes")
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
  return names.filter { $0.hasSuffix(".yaml") }.sorted().map { folder.appending(path: $0) }
}()

@Suite struct RecipeFilesTests {
  @Test func thereAreRecipes() {
    #expect(recipeFiles.count >= 4)
  }

  @Test(arguments: recipeFiles)
  func everyRecipeDecodesAndSaysWhatItIs(file: URL) throws {
    let recipe = try Recipe.load(file)
    #expect(recipe.name + ".yaml" == file.lastPathComponent)
    #expect(!recipe.description.isEmpty)
    #expect(try Recipe(yaml: recipe.yaml) == recipe)
    let readme = try String(
      contentsOf: packageRoot.appending(path: "Recipes/README.md"), encoding: .utf8)
    #expect(readme.contains("`\(recipe.name)`"))
  }

  @Test(arguments: recipeFiles)
  func everyRecipeResolvesWhereItsInputsAre(file: URL) throws {
    let recipe = try Recipe.load(file)
    do {
      _ = try recipe.resolve(relativeTo: packageRoot)
    } catch let error {
      // Data from outside the project may be absent; nothing else may be wrong.
      let text = error.description
      #expect(text.contains("../shared/") || text.contains("Checkpoints/"), "\(text)")
    }
  }

  @Test func whatIsNotThereIsNamedWithItsLine() throws {
    let recipe = try Recipe(
      yaml: soundRecipe.replacing("Checkpoints/novelist", with: "no/such"), file: "tiny.yaml")
    do {
      _ = try recipe.resolve(relativeTo: packageRoot)
      Issue.record("a missing model was resolved")
    } catch {
      #expect(
        error.description == "tiny.yaml, line 2: model: there is no such folder or file: no/such")
    }
    let text = try Recipe(
      yaml: soundRecipe.replacing("{ generated: { tokens: 1024, seed: 2 } }", with: "'*.nothing'")
        .replacing("model: Checkpoints/novelist", with: "model: \(packageRoot.path)/Recipes"),
      file: "tiny.yaml")
    #expect(throws: RecipeError.self) { try text.resolve(relativeTo: packageRoot) }
  }
}
