public import GyroModels
public import GyroOptimization

/// What a run does, apart from model and data.
public struct TrainingOptions: Sendable {
  /// What to do about a loss or gradient that is not finite.
  public enum NotFinite: Sendable, Equatable {
    /// Stop with `TrainingError.notFinite`.
    case stop
    /// Leave the step out, at most so many times in a run; then stop.
    case skip(upTo: Int)
  }

  /// The number of steps of the whole run, those before a restart included.
  public var steps: Int
  /// The learning rate of each step.
  public var schedule: Schedule
  /// The most that the norm of all gradients together may be; no clipping when nil.
  public var clippingNorm: Double?
  /// Batches whose gradients are averaged for one step.
  public var accumulation: Int
  /// The parameters that get gradients.
  public var trainable: PathPattern
  public var notFinite: NotFinite

  public init(
    steps: Int, schedule: Schedule, clippingNorm: Double? = nil, accumulation: Int = 1,
    trainable: PathPattern = "*", notFinite: NotFinite = .stop
  ) {
    precondition(steps >= 0, "TrainingOptions: the number of steps is \(steps)")
    precondition(accumulation >= 1, "TrainingOptions: the accumulation is \(accumulation)")
    precondition(
      clippingNorm.map { $0 > 0 } ?? true, "TrainingOptions: the clipping norm must be positive")
    self.steps = steps
    self.schedule = schedule
    self.clippingNorm = clippingNorm
    self.accumulation = accumulation
    self.trainable = trainable
    self.notFinite = notFinite
  }

  /// What must be the same for a restarted run to continue the same trajectory. The number of steps
  /// is not part of it: a run may be made longer. Nor is what happens to numbers that are not
  /// finite: a run that stopped on one may go on by skipping it.
  public var fingerprints: [String: String] {
    [
      "schedule": schedule.description,
      "clipping norm": clippingNorm.map(String.init(describing:)) ?? "none",
      "accumulation": String(accumulation),
      "trainable": trainable.pattern,
    ]
  }
}
