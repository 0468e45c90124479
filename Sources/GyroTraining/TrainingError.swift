public import Foundation
public import GyroModels

/// Why a run stopped early.
public enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A loss, gradient or quantizer input was not finite.
  case notFinite(path: ParameterPath, step: Int, what: String, lastCheckpoint: URL?)
  /// Somebody asked the run to stop; its state is saved if there is a checkpoint.
  case interrupted(step: Int, checkpoint: URL?)

  public var description: String {
    switch self {
    case .notFinite(let path, let step, let what, let checkpoint):
      let saved =
        checkpoint.map { "the last good checkpoint is \($0.path)" }
        ?? "no checkpoint was written yet"
      return "step \(step): \(what) at \(path); \(saved). "
        + "Try a lower learning rate, a longer warm-up or a clipping norm, or let the run skip "
        + "such steps."
    case .interrupted(let step, let checkpoint):
      return "interrupted after step \(step); "
        + (checkpoint.map { "the state is saved in \($0.path)" } ?? "nothing was saved")
    }
  }
}
