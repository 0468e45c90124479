public import Foundation
import GyroCheckpoints

/// A folder with the newest training checkpoints of a run, `step-00000120.safetensors` and so on.
/// Each file is whole at any time; the newest is found by name.
public struct CheckpointDirectory: Sendable {
  public let url: URL
  /// How many checkpoints are kept.
  public let keeping: Int
  /// Settings that must be equal when a run is resumed, by name: the trainer's
  /// (`TrainingOptions.fingerprints`) and whatever an owner adds, e.g. the quantization scheme.
  public let fingerprints: [String: String]

  public init(_ url: URL, keeping: Int = 2, fingerprints: [String: String] = [:]) {
    precondition(keeping >= 1, "CheckpointDirectory: at least one checkpoint must be kept")
    self.url = url
    self.keeping = keeping
    self.fingerprints = fingerprints
  }

  /// All checkpoints, newest first.
  public var checkpoints: [URL] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.compactMap { name in Self.step(of: name).map { ($0, name) } }
      .sorted { $0.0 > $1.0 }
      .map { url.appendingPathComponent($0.1) }
  }

  /// Writes a state, then removes the oldest checkpoints beyond the number kept.
  /// - Returns: the new file.
  /// - Throws: `FileError`, an error of the file manager; older checkpoints then stay.
  @discardableResult
  public func write(_ state: TrainingState) throws -> URL {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    let digits = String(state.step)
    let file = url.appendingPathComponent(
      "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".safetensors")
    try TrainingCheckpoint.write(state, fingerprints: fingerprints, to: file)
    for old in checkpoints.dropFirst(keeping) where old.lastPathComponent != file.lastPathComponent
    {
      try? FileManager.default.removeItem(at: old)
    }
    return file
  }

  /// Restores the newest checkpoint that is whole.
  ///
  /// - Parameter warn: told of each damaged checkpoint that was passed over.
  /// - Returns: the file, or nil when the folder holds no checkpoint.
  /// - Throws: `TrainingCheckpointError` when the newest whole one belongs to another run, or all are
  ///   damaged.
  @discardableResult
  public func restore(
    _ state: inout TrainingState, warn: (String) -> Void = { _ in }
  ) throws(TrainingCheckpointError) -> URL? {
    var first: TrainingCheckpointError?
    for file in checkpoints {
      do {
        try TrainingCheckpoint.read(file, into: &state, fingerprints: fingerprints)
        return file
      } catch .damaged(let file, let reason) {
        let error = TrainingCheckpointError.damaged(file: file, reason: reason)
        first = first ?? error
        warn("\(error); trying the one before")
      }
    }
    if let first { throw first }
    return nil
  }

  /// Removes all checkpoints, for a run that starts afresh.
  public func removeAll() throws {
    for file in checkpoints { try FileManager.default.removeItem(at: file) }
  }

  private static func step(of name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
    let digits = name.dropFirst(5).dropLast(12)
    return digits.allSatisfy { $0.isASCII && $0.isNumber } ? Int(digits) : nil
  }
}
