/// Saves the training state at intervals, at the end, and when the run is interrupted.
public final class CheckpointCallback: TrainingCallback {
  private let directory: CheckpointDirectory
  private let interval: Int

  /// - Parameter every: the number of steps between checkpoints; 0 saves only at the end.
  public init(_ directory: CheckpointDirectory, every interval: Int) {
    precondition(interval >= 0, "CheckpointCallback: the interval is \(interval)")
    self.directory = directory
    self.interval = interval
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) throws -> TrainingEvent? {
    switch event {
    case .stepped(let metrics):
      // The last step is saved when the run ends, after the last evaluation.
      guard interval > 0, metrics.step % interval == 0, metrics.step < metrics.steps else {
        return nil
      }
      return .checkpointed(try directory.write(state))
    case .ending:
      return .checkpointed(try directory.write(state))
    default:
      return nil
    }
  }
}
