public import Foundation

/// Writes each step and evaluation as a line of JSON (``MetricsFile``). A resumed run continues the
/// file as if it had never stopped.
public final class MetricsFileCallback: TrainingCallback {
  private let url: URL
  private let interval: Int
  private var file: MetricsFile?

  /// - Parameter every: the number of steps between lines; the last step always gets one.
  public init(_ url: URL, every interval: Int = 1) {
    precondition(interval >= 1, "MetricsFileCallback: the interval is \(interval)")
    self.url = url
    self.interval = interval
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) throws -> TrainingEvent? {
    if case .began(let step, _) = event {
      file = try MetricsFile(url, resumedStep: step > 0 ? step : nil)
    } else if let (step, scalars) = event.scalars(every: interval, evaluation: "evaluation.") {
      try file?.append(step: step, scalars)
    }
    return nil
  }
}

/// Writes each step and evaluation as TensorBoard scalars (``TensorBoardWriter``).
public final class TensorBoardCallback: TrainingCallback {
  private let directory: URL
  private let interval: Int
  private var writer: TensorBoardWriter?

  /// - Parameter every: the number of steps between lines; the last step always gets one.
  public init(_ directory: URL, every interval: Int = 1) {
    precondition(interval >= 1, "TensorBoardCallback: the interval is \(interval)")
    self.directory = directory
    self.interval = interval
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) throws -> TrainingEvent? {
    if case .began(let step, _) = event {
      writer = try TensorBoardWriter(directory: directory, resumedStep: step > 0 ? step : nil)
    } else if let (step, scalars) = event.scalars(every: interval, evaluation: "evaluation/") {
      try writer?.append(step: step, scalars)
    }
    return nil
  }
}

extension TrainingEvent {
  /// What an event has to say in numbers.
  func scalars(
    every interval: Int, evaluation prefix: String
  ) -> (step: Int, values: [(name: String, value: Double)])? {
    switch self {
    case .stepped(let metrics):
      guard metrics.step % interval == 0 || metrics.step == metrics.steps else { return nil }
      return (
        metrics.step,
        [
          ("loss", metrics.loss), ("rate", metrics.rate),
          ("gradient_norm", metrics.gradientNorm), ("clipping_factor", metrics.clippingFactor),
          ("items_per_second", metrics.itemsPerSecond), ("seconds", metrics.seconds),
          ("resident_bytes", Double(metrics.residentBytes)),
        ]
      )
    case .skipped(let step, _):
      return (step, [("skipped", 1)])
    case .evaluated(let evaluation):
      let figures = evaluation.figures.sorted { $0.key < $1.key }
      return (evaluation.step, figures.map { (prefix + $0.key, $0.value) })
    default:
      return nil
    }
  }
}
