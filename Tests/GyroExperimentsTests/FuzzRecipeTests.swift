import Foundation
import Gyro
import Testing

/// Replays the corpus of `Fuzzing/`: recipes, and everything that once broke their reader.
@Suite("Recipes that fuzzing found")
struct FuzzRecipeTests {
  @Test("each is read, and means the same when written and read again, or is refused")
  func replay() throws {
    let folder = packageRoot.appending(path: "Fuzzing/Corpus/recipe")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(!names.isEmpty)
    for name in names {
      do {
        let recipe = try Recipe.load(folder.appending(path: name))
        #expect(try Recipe(yaml: recipe.yaml) == recipe, "\(name)")
      } catch {
        #expect(!name.hasPrefix("seed"), "\(name): \(error)")
      }
    }
  }
}
