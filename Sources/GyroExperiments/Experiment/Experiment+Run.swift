public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
public import GyroTraining

extension Experiment {
  /// What to do about a run that is already in the folder of results.
  public enum Existing: Sendable {
    /// Refuse to start.
    case refuse
    /// Go on where it stopped; start when there is none.
    case resume
    /// Remove its files and start afresh.
    case overwrite
  }

  /// Runs all stages.
  ///
  /// Law: a run that is killed at any moment and resumed gives the results, metrics and weights of
  /// one that never stopped, bit for bit (times excepted).
  ///
  /// - Parameters:
  ///   - output: the folder of results; no other run may be at work in it.
  ///   - interruption: looked at between steps and batches.
  ///   - progress: told what happens.
  ///   - reporter: makes the callback that shows a training stage's steps; nil shows none.
  /// - Throws: `ExperimentError`, `FileError.directoryInUse`, `TrainingError.interrupted`, or what
  ///   the parts throw.
  @discardableResult
  public func run(
    output: URL, existing: Existing = .refuse, interruption: Interruption? = nil,
    progress: @escaping (ExperimentEvent) -> Void = { _ in },
    reporter: ((_ label: String, _ unit: String) -> any TrainingCallback)? = nil
  ) throws -> ExperimentResults {
    let folder = try RunFolder(output)
    let yaml = recipe.yaml
    if folder.holdsRun {
      switch existing {
      case .refuse: throw ExperimentError.alreadyRun(folder: output.path)
      case .overwrite: try folder.clear()
      case .resume: try Self.checkSame(yaml, folder)
      }
    }
    try AtomicFile.write(yaml, to: folder.recipe)
    func say(_ event: ExperimentEvent) throws {
      if interruption?.isRequested == true {
        throw TrainingError.interrupted(step: 0, checkpoint: nil)
      }
      progress(event)
    }
    let task = try load(say)
    for warning in task.warnings { progress(.note(warning)) }
    let context = RunContext(
      recipe: recipe, base: base, folder: folder, interruption: interruption, progress: progress,
      reporter: reporter)
    return try Self.run(task, context)
  }

  private static func run<T: ExperimentTask>(
    _ task: T, _ context: RunContext
  ) throws -> ExperimentResults {
    var run = try StageRunner(task, context)
    return try run.runAll()
  }

  private static func checkSame(_ yaml: String, _ folder: RunFolder) throws {
    guard let data = FileManager.default.contents(atPath: folder.recipe.path) else { return }
    let there = String(decoding: data, as: UTF8.self)
    guard there != yaml else { return }
    let pairs = Array(zip(there.split(separator: "\n"), yaml.split(separator: "\n")))
    let (old, new) = pairs.first { $0 != $1 } ?? ("fewer lines", "more lines")
    throw ExperimentError.differentRecipe(
      folder: folder.url.path, there: old.trimmingCharacters(in: .whitespaces),
      here: new.trimmingCharacters(in: .whitespaces))
  }
}

/// What the stages of one run share.
struct RunContext {
  let recipe: Recipe
  /// What relative paths of the recipe start from.
  let base: URL
  let folder: RunFolder
  let interruption: Interruption?
  let progress: (ExperimentEvent) -> Void
  let reporter: ((_ label: String, _ unit: String) -> any TrainingCallback)?

  /// A file that the recipe names.
  func url(_ path: String) -> URL {
    path.hasPrefix("/") ? URL(filePath: path) : base.appending(path: path)
  }

  /// Says how far work has come, and stops it when somebody asked for that.
  func working(_ label: String, _ done: Int, _ total: Int) throws {
    if interruption?.isRequested == true {
      throw TrainingError.interrupted(step: 0, checkpoint: nil)
    }
    progress(.working(label: label, done: done, total: total))
  }
}
