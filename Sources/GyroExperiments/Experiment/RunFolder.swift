import Foundation
import GyroCheckpoints

/// The folder of one run and the files in it.
struct RunFolder {
  let url: URL
  private let lock: DirectoryLock

  /// What a run keeps to be resumed: how far it came and what it found.
  struct State: Codable {
    var stagesDone: Int
    var results: ExperimentResults
  }

  /// Makes and locks the folder.
  /// - Throws: `FileError` when it cannot be made or another process works in it.
  init(_ url: URL) throws {
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw FileError.unwritable(path: url.path, reason: error.localizedDescription)
    }
    self.url = url
    lock = try DirectoryLock(url)
  }

  var recipe: URL { url.appending(path: "recipe.yaml") }
  var results: URL { url.appending(path: "results.json") }
  var report: URL { url.appending(path: "report.html") }
  private var pictures: URL { url.appending(path: "pictures") }
  private var state: URL { url.appending(path: "state.json") }

  /// Whether a run began here.
  var holdsRun: Bool { FileManager.default.fileExists(atPath: recipe.path) }

  /// Where a training stage keeps its files: the run's own folder for the only one, else a folder
  /// of its own.
  func folder(ofStage index: Int, isOnly: Bool) -> URL {
    isOnly ? url : url.appending(path: "stage-\(index + 1)")
  }

  /// Removes what a run before left, and nothing else.
  func clear() throws {
    let manager = FileManager.default
    let names = (try? manager.contentsOfDirectory(atPath: url.path)) ?? []
    let own: Set<String> = [
      "recipe.yaml", "results.json", "report.html", "state.json", "metrics.jsonl", "checkpoints",
      "pictures", RotationFile.name,
    ]
    for name in names
    where own.contains(name) || name.hasPrefix("events.out.tfevents.")
      || (name.hasPrefix("stage-") && Int(name.dropFirst(6)) != nil)
    {
      try manager.removeItem(at: url.appending(path: name))
    }
  }

  func readState() throws -> State? {
    guard let data = FileManager.default.contents(atPath: state.path) else { return nil }
    do {
      let decoder = JSONDecoder()
      decoder.nonConformingFloatDecodingStrategy = .convertFromString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      return try decoder.decode(State.self, from: data)
    } catch {
      throw ExperimentError.damagedState(file: state.path, reason: "it is not the JSON of a run")
    }
  }

  func write(_ current: State) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    // The state goes last: a stage counts as done only when its results are safe.
    try AtomicFile.write(Array(try current.results.json()), to: results)
    try AtomicFile.write(Array(try encoder.encode(current)), to: state)
  }

  /// Writes a picture as `pictures/<name>.svg`; one of the same name is replaced.
  ///
  /// The report shows pictures in the order of their names, so a stage begins them with its
  /// number. What a file name should not hold becomes `-`.
  /// - Throws: `FileError` when it cannot be written.
  func write(picture svg: String, named name: String) throws {
    do {
      try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
    } catch {
      throw FileError.unwritable(path: pictures.path, reason: error.localizedDescription)
    }
    let safe = name.map { character in
      character.isASCII && (character.isLetter || character.isNumber) || "-_.".contains(character)
        ? character : "-"
    }
    let stem = String(safe.drop { $0 == "." })
    try StudyPicture.write(
      svg, to: pictures.appending(path: (stem.isEmpty ? "picture" : stem) + ".svg"))
  }

  /// The pictures so far, those of a run that was resumed included, in the order of their names
  /// (numbers in names by size).
  func readPictures() -> [StudyPicture.Saved] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: pictures.path)) ?? []
    return names.filter { $0.hasSuffix(".svg") && !$0.hasPrefix(".") }
      .sorted { one, other in
        let order = one.compare(other, options: .numeric)
        return order == .orderedSame ? one < other : order == .orderedAscending
      }
      .compactMap { name in
        guard let data = FileManager.default.contents(atPath: pictures.appending(path: name).path)
        else { return nil }
        return StudyPicture.Saved(
          name: String(name.dropLast(4)), svg: String(decoding: data, as: UTF8.self))
      }
  }
}
