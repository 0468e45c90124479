public import Foundation
import GyroQuantization
import GyroTensors
import Yams

extension Recipe {
  /// Reads a recipe file and applies overrides to it.
  public static func load(_ url: URL, overrides: [RecipeOverride] = []) throws(RecipeError)
    -> Recipe
  {
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      let exists = FileManager.default.fileExists(atPath: url.path)
      throw .unreadable(
        file: url.relativePath,
        reason: exists ? "it exists but cannot be read" : "there is no such file")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw .unreadable(file: url.relativePath, reason: "it is not UTF-8 text")
    }
    return try Recipe(yaml: text, file: url.relativePath, overrides: overrides)
  }

  /// Decodes a recipe; `file` is what errors call it.
  public init(yaml: String, file: String = "recipe", overrides: [RecipeOverride] = [])
    throws(RecipeError)
  {
    var root = try RecipeText.tree(of: yaml, file: file)
    var applied: [String: String] = [:]
    for override in overrides { root = try override.apply(to: root, noting: &applied) }
    try self.init(RecipeReader(root, file: file, overrides: applied))
  }

  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping([
      "name", "description", "model", "data", "scheme", "precision", "seed", "stages",
    ])
    name = try map.required("name").string()
    guard !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
      throw .outOfRange(
        try map.required("name").place, expected: "a name that can be a folder's", got: "'\(name)'")
    }
    description = try map["description"]?.string() ?? ""
    model = try ModelRecipe(try map.required("model"))
    data = try DataRecipe(map["data"])
    scheme = if let scheme = map["scheme"] { try QuantizationScheme(scheme) } else { nil }
    precision = try map.name("precision", "precision", default: .float32)
    seed = try map.integer("seed", 0...Int(Int32.max), default: 0)

    let stages = try map.required("stages")
    let elements = try stages.list()
    guard !elements.isEmpty else {
      throw .outOfRange(stages.place, expected: "at least one stage", got: "an empty list")
    }
    self.stages = []
    for element in elements {
      self.stages.append(try StageRecipe(element, hasScheme: scheme != nil))
    }
    places.byKeyPath = reader.allPlaces
    try checkTogether(stages: elements, data: map["data"], reader)
  }

  private func check(
    _ rotate: RotateStage, _ element: RecipeReader, _ labels: inout Set<String>
  ) throws(RecipeError) {
    guard scheme != nil, scheme?.rotations != nil || !rotate.scalings.isEmpty else {
      throw .conflict(
        element.place, reason: "rotating needs a scheme with 'rotations', like [r1, r2]")
    }
    guard data.train != nil || rotate.learning.steps == 0 else {
      throw .conflict(element.place, reason: "learning rotations needs data.train")
    }
    guard labels.insert(rotate.label).inserted else {
      throw .conflict(
        element.place, reason: "the label '\(rotate.label)' is used by a stage before")
    }
  }

  /// Checks what no single value shows.
  private func checkTogether(
    stages elements: [RecipeReader], data reader: RecipeReader?, _ root: RecipeReader
  ) throws(RecipeError) {
    var labels: Set<String> = []
    for (stage, element) in zip(stages, elements) {
      switch stage {
      case .evaluate(let evaluate), .round(let evaluate):
        guard data.evaluate != nil else {
          throw .conflict(element.place, reason: "the stage needs data.evaluate")
        }
        guard labels.insert(evaluate.label).inserted else {
          throw .conflict(
            element.place, reason: "the label '\(evaluate.label)' is used by a stage before")
        }
        if scheme == nil, evaluate.quantized == true {
          throw .conflict(element.place, reason: "the stage is quantized, but there is no scheme")
        }
      case .train(let train):
        guard data.train != nil else {
          throw .conflict(element.place, reason: "the stage needs data.train")
        }
        guard labels.insert(train.label).inserted else {
          throw .conflict(
            element.place, reason: "the label '\(train.label)' is used by a stage before")
        }
        if train.warmup > train.steps {
          throw .conflict(
            element.place,
            reason: "warmup (\(train.warmup)) must not be longer than steps (\(train.steps))")
        }
        if case .llama(let llama) = model, let length = train.length, length > llama.context {
          throw .conflict(
            element.place,
            reason: "length (\(length)) is longer than the model's context "
              + "(\(llama.context))")
        }
      case .compare:
        guard data.evaluate != nil else {
          throw .conflict(element.place, reason: "the stage needs data.evaluate")
        }
      case .rotate(let rotate):
        try check(rotate, element, &labels)
      case .ladder(let ladder):
        guard data.evaluate != nil else {
          throw .conflict(element.place, reason: "the stage needs data.evaluate")
        }
        for rung in ladder.rungs { try check(rung, element, &labels) }
      case .outliers, .gptq:
        guard data.calibrate != nil || data.train != nil else {
          throw .conflict(element.place, reason: "the stage needs data.calibrate or data.train")
        }
      case .calibrate:
        guard data.calibrate != nil || data.train != nil else {
          throw .conflict(element.place, reason: "the stage needs data.calibrate or data.train")
        }
      case .export: break
      }
    }
    for source in [data.train, data.calibrate, data.evaluate].compactMap({ $0 }) {
      switch (model, source) {
      case (.llama, .generated):
        throw .conflict(
          (reader ?? root).place,
          reason: "generated text is sampled from a trained model, so model must be a checkpoint")
      case (.llama, _) where source.isImages:
        throw .conflict((reader ?? root).place, reason: "a language model cannot learn from images")
      case (.classifier, _) where !source.isImages:
        throw .conflict(
          (reader ?? root).place, reason: "an image classifier cannot learn from text")
      default: break
      }
    }
  }
}

/// YAML text to a node tree, with errors of our own.
enum RecipeText {
  static func tree(of yaml: String, file: String) throws(RecipeError) -> Node {
    do {
      guard let root = try Yams.compose(yaml: yaml) else {
        throw RecipeError.syntax(file: file, line: nil, problem: "the file is empty")
      }
      return root
    } catch let error as RecipeError {
      throw error
    } catch let error as YamlError {
      throw translate(error, file: file)
    } catch {
      throw .syntax(file: file, line: nil, problem: "\(error)")
    }
  }

  private static func translate(_ error: YamlError, file: String) -> RecipeError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      .syntax(file: file, line: mark.line, problem: problem)
    case .duplicatedKeysInMapping(let keys, let context):
      .duplicateKey(
        RecipePlace(source: .file(file, line: context.mark.line), keyPath: ""),
        key: keys.first ?? "")
    case .reader(let problem, _, _, _): .syntax(file: file, line: nil, problem: problem)
    default: .syntax(file: file, line: nil, problem: "\(error)")
    }
  }
}
