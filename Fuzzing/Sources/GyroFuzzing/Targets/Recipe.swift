import Foundation
import GyroExperiments

extension FuzzTarget {
  /// A recipe; what is taken is written as it was understood.
  static let recipe = FuzzTarget(
    name: "recipe", shape: .yaml,
    seeds: {
      // The project's own recipes: a few that use different parts of the language.
      let recipes = URL(filePath: #filePath).appending(path: "../../../../../Recipes").standardized
      let names = [
        "quickstart", "int8-qat-novelist", "pretrain-digits", "pretrain-novelist",
        "w2-lsq-novelist",
      ]
      return try names.map { name in
        (name, Array(try Data(contentsOf: recipes.appending(path: name + ".yaml"))))
      }
    },
    read: { bytes, folder in
      let recipe = try Recipe.load(folder.write(bytes, to: "recipe.yaml"))
      let again = try Recipe(yaml: recipe.yaml)
      precondition(again == recipe, "recipe: written and read, it is another")
      _ = try RecipeOverride("stages[0].train.steps=3")
    })
}
