public import Foundation
import GyroDatasets
import GyroExport

/// A recipe whose names have been turned into values: every file it needs is there. Running it can
/// still fail, but not for a misspelt path an hour later.
public struct Experiment: Sendable {
  public let recipe: Recipe
  /// What relative paths start from.
  public let base: URL
  let modelFolder: URL?
  let tokenizerFile: URL?
  let tokenizerTexts: [URL]
  var training: ResolvedSource?
  var calibration: ResolvedSource?
  let evaluation: ResolvedSource?
  /// Texts that are measured beside it, by name.
  let furtherEvaluations: [(name: String, source: ResolvedSource)]

  /// A data source with its files found.
  enum ResolvedSource: Sendable {
    case text([URL], name: String)
    case generated(tokens: Int, seed: Int)
    case digits(count: Int, seed: Int)
    case images(images: URL, labels: URL, range: Range<Int>?)
  }
}

extension Recipe {
  /// Turns names into values: patterns into files, paths into folders that are there.
  ///
  /// - Parameter base: what relative paths start from; the current folder when omitted.
  /// - Throws: `RecipeError` naming the line of what is not there.
  public func resolve(relativeTo base: URL? = nil) throws(RecipeError) -> Experiment {
    let base = base ?? URL(filePath: FileManager.default.currentDirectoryPath)
    let resolver = Resolver(base: base, places: places)
    var modelFolder: URL?
    var tokenizerFile: URL?
    var tokenizerTexts: [URL] = []
    switch model {
    case .directory(let path):
      modelFolder = try resolver.modelFolder(path)
    case .llama(let llama):
      switch llama.tokenizer {
      case .path(let path):
        tokenizerFile = try resolver.existing(path, "model.tokenizer", "there is no tokenizer here")
      case .train(let files, _):
        tokenizerTexts = try resolver.files(files, "model.tokenizer.train")
      }
    case .classifier: break
    }
    for (index, stage) in stages.enumerated() {
      for (key, path) in stage.rotationFiles {
        _ = try resolver.existing(
          path, "stages[\(index)].\(key)", "there is no file of rotations here")
      }
    }
    var further: [(name: String, source: Experiment.ResolvedSource)] = []
    for named in data.alsoEvaluate {
      let key = "data.also-evaluate.\(named.name)"
      if let source = try resolver.source(named.source, key) {
        further.append((named.name, source))
      }
    }
    return Experiment(
      recipe: self, base: base, modelFolder: modelFolder, tokenizerFile: tokenizerFile,
      tokenizerTexts: tokenizerTexts,
      training: try resolver.source(data.train, "data.train"),
      calibration: try resolver.source(data.calibrate, "data.calibrate"),
      evaluation: try resolver.source(data.evaluate, "data.evaluate"), furtherEvaluations: further)
  }
}

/// Finds what a recipe names.
private struct Resolver {
  let base: URL
  let places: RecipePlaces

  func url(_ path: String) -> URL {
    path.hasPrefix("/") ? URL(filePath: path) : base.appending(path: path)
  }

  func existing(_ path: String, _ key: String, _ reason: String) throws(RecipeError) -> URL {
    let found = url(path)
    guard FileManager.default.fileExists(atPath: found.path) else {
      throw .missingFile(places[key], path: path, reason: reason)
    }
    return found
  }

  func modelFolder(_ path: String) throws(RecipeError) -> URL {
    let model = try existing(path, "model", "there is no such folder or file")
    guard
      Exporters.recognizing(model) != nil
        || FileManager.default.fileExists(atPath: model.appending(path: "config.json").path)
    else {
      throw .missingFile(
        places["model"], path: path,
        reason: "it is no export, and no folder with a config.json, so it is no checkpoint")
    }
    return model
  }

  func files(_ patterns: [String], _ key: String) throws(RecipeError) -> [URL] {
    do throws(DatasetError) {
      return try TextFiles.resolve(patterns, relativeTo: base)
    } catch {
      throw .conflict(places[key], reason: "\(error)")
    }
  }

  func source(_ source: DataSource?, _ key: String) throws(RecipeError)
    -> Experiment.ResolvedSource?
  {
    switch source {
    case nil: nil
    case .text(let patterns): .text(try files(patterns, key), name: key)
    case .generated(let tokens, let seed): .generated(tokens: tokens, seed: seed)
    case .digits(let count, let seed): .digits(count: count, seed: seed)
    case .images(let images, let labels, let range):
      .images(
        images: try existing(images, key + ".images", "there is no such file"),
        labels: try existing(labels, key + ".labels", "there is no such file"), range: range)
    }
  }
}
