public import Foundation
import GyroCheckpoints
import GyroModels
import GyroOptimization
import GyroTensors

/// A training state as one safetensors file, exact to the bit.
///
/// ```
/// parameters/<path>            weights and buffers
/// optimizer/<path>/<name>      moments
/// average/<path>               the moving average
/// best/<path>                  the best parameters
/// extra/<name>                 what an owner carries along
/// __metadata__                 "gyro.training": numbers as JSON, "gyro.checksum": over everything
/// ```
public enum TrainingCheckpoint {
  static let version = 1
  static let recordKey = "gyro.training", checksumKey = "gyro.checksum"

  /// The numbers that are not tensors.
  struct Record: Codable {
    struct Average: Codable { var decay: Double, updates: Int }
    struct Best: Codable { var score: Double, step: Int }
    var version: Int
    var step: Int
    var seed: UInt64
    var optimizerSteps: Int
    var optimizerCounts: [String: [String: Int]]
    var average: Average?
    var best: Best?
    var skippedSteps: Int
    var itemsSeen: Int
    var notes: [String: String]
    var fingerprints: [String: String]
  }

  /// Writes a state; the file appears complete or not at all.
  ///
  /// - Parameter fingerprints: settings that must be equal when the state is read back.
  /// - Throws: `FileError` when the file cannot be written; what was there before then stays.
  public static func write(
    _ state: TrainingState, fingerprints: [String: String] = [:], to url: URL
  ) throws {
    let archive = state.optimizer.archive
    let record = Record(
      version: version, step: state.step, seed: state.seed, optimizerSteps: archive.stepCount,
      optimizerCounts: Dictionary(
        uniqueKeysWithValues: archive.states.map { ($0.key.name, $0.value.counts) }),
      average: state.average.map { .init(decay: $0.decay, updates: $0.updates) },
      best: state.best.map { .init(score: $0.score, step: $0.step) },
      skippedSteps: state.skippedSteps, itemsSeen: state.itemsSeen, notes: state.notes,
      fingerprints: all(fingerprints, state))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(record), as: UTF8.self)

    let tensors = tensors(of: state, archive)
    var checksum = Checksum()
    checksum.add(text)
    for (name, tensor) in tensors { checksum.add(name, tensor) }
    var writer = SafetensorsWriter(
      metadata: ["format": "pt", recordKey: text, checksumKey: checksum.text])
    for (name, tensor) in tensors { writer.add(name, tensor) }
    try writer.write(to: url)
  }

  /// Puts a stored state into one that was made for the same model and optimizer.
  ///
  /// - Throws: `TrainingCheckpointError`; `state` is then as it was.
  public static func read(
    _ url: URL, into state: inout TrainingState, fingerprints: [String: String] = [:]
  ) throws(TrainingCheckpointError) {
    let (record, tensors) = try contents(of: url)
    try check(record, all(fingerprints, state), state.seed, url)
    let reader = TrainingCheckpointReader(url: url, tensors: tensors)
    var fresh = state
    fresh.parameters = try reader.store("parameters", like: state.parameters)
    let moments = try reader.optimizer(record)
    do { try fresh.optimizer.restore(moments) } catch {
      throw .mismatch(
        file: url, what: "the optimizer's state", expected: state.optimizer.description,
        found: "\(error)")
    }
    if let average = record.average {
      fresh.average?.restore(
        try reader.store("average", like: state.parameters), updates: average.updates)
    }
    fresh.best = nil
    if let best = record.best {
      fresh.best = BestResult(
        score: best.score, step: best.step,
        parameters: reader.holds("best") ? try reader.store("best", like: state.parameters) : nil)
    }
    fresh.extra = reader.all("extra")
    fresh.step = record.step
    fresh.skippedSteps = record.skippedSteps
    fresh.itemsSeen = record.itemsSeen
    fresh.notes = record.notes
    fresh.checkpoint = url
    state = fresh
  }

  /// The fingerprints of an owner and those that follow from the state itself.
  private static func all(
    _ fingerprints: [String: String], _ state: TrainingState
  ) -> [String: String] {
    let own = [
      "optimizer": state.optimizer.description,
      "moving average": state.average.map { "decay \($0.decay)" } ?? "none",
    ]
    return fingerprints.merging(own) { _, own in own }
  }

  private static func tensors(
    of state: TrainingState, _ archive: OptimizerArchive
  ) -> [(name: String, tensor: Tensor)] {
    func all(_ scope: String, _ store: ParameterStore?) -> [(String, Tensor)] {
      guard let store else { return [] }
      return store.paths.map { ("\(scope)/\($0)", store[$0]) }
    }
    let moments = archive.states.flatMap { path, state in
      state.tensors.map { ("optimizer/\(path)/\($0.key)", $0.value) }
    }
    let extra = state.extra.map { ("extra/\($0.key)", $0.value) }
    return all("parameters", state.parameters) + moments.sorted { $0.0 < $1.0 }
      + all("average", state.average?.average) + all("best", state.best?.parameters)
      + extra.sorted { $0.0 < $1.0 }
  }

  /// Reads a whole file and proves that it is what was written.
  private static func contents(
    of url: URL
  ) throws(TrainingCheckpointError) -> (Record, [String: Tensor]) {
    do {
      let file = try SafetensorsFile(contentsOf: url)
      guard let text = file.metadata[recordKey], let expected = file.metadata[checksumKey] else {
        throw TrainingCheckpointError.damaged(
          file: url, reason: "it holds tensors, but no record of a training run")
      }
      var checksum = Checksum()
      checksum.add(text)
      var tensors: [String: Tensor] = [:]
      for name in file.names {
        let tensor = try file.tensor(name)
        checksum.add(name, tensor)
        tensors[name] = tensor
      }
      guard checksum.text == expected else {
        throw TrainingCheckpointError.damaged(
          file: url, reason: "its checksum is \(checksum.text), expected \(expected)")
      }
      return (try JSONDecoder().decode(Record.self, from: Data(text.utf8)), tensors)
    } catch let error as TrainingCheckpointError {
      throw error
    } catch {
      throw .damaged(file: url, reason: "\(error)")
    }
  }

  private static func check(
    _ record: Record, _ here: [String: String], _ seed: UInt64, _ url: URL
  ) throws(TrainingCheckpointError) {
    func same(
      _ what: String, _ expected: String, _ found: String
    ) throws(TrainingCheckpointError) {
      guard expected != found else { return }
      throw .mismatch(file: url, what: what, expected: expected, found: found)
    }
    try same("the version", "\(version)", "\(record.version)")
    try same("the seed", "\(seed)", "\(record.seed)")
    for key in Set(here.keys).union(record.fingerprints.keys).sorted() {
      try same("the \(key)", here[key] ?? "not set", record.fingerprints[key] ?? "not set")
    }
  }
}
