public import Foundation

/// A training checkpoint that cannot be used.
public enum TrainingCheckpointError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file is cut, changed or no training checkpoint.
  case damaged(file: URL, reason: String)
  /// The file is whole but belongs to another run.
  case mismatch(file: URL, what: String, expected: String, found: String)

  public var description: String {
    switch self {
    case .damaged(let file, let reason):
      "the training checkpoint \(file.path) is damaged: \(reason)"
    case .mismatch(let file, let what, let expected, let found):
      "the training checkpoint \(file.path) belongs to another run: \(what) is '\(found)' there "
        + "and '\(expected)' here. Resume with the settings it was written with, or start afresh "
        + "in another folder."
    }
  }
}
