public import GyroModels

/// Measures the model at intervals and at the end, and remembers the best measurement in the
/// training state, so that it survives a restart.
public final class EvaluationCallback: TrainingCallback {
  private let interval: Int
  private let scoreName: String
  private let smallerIsBetter: Bool
  private let keepsBest: Bool
  private let evaluate: (ParameterStore) throws -> [String: Double]

  /// - Parameters:
  ///   - every: the number of steps between evaluations; 0 evaluates only at the end.
  ///   - score: the figure that decides which evaluation is best.
  ///   - keepsBest: whether `TrainingState.best` keeps the parameters too.
  ///   - evaluate: figures by name; it is given the moving average if the run has one.
  public init(
    every interval: Int, score: String = "loss", smallerIsBetter: Bool = true,
    keepsBest: Bool = false, _ evaluate: @escaping (ParameterStore) throws -> [String: Double]
  ) {
    precondition(interval >= 0, "EvaluationCallback: the interval is \(interval)")
    self.interval = interval
    scoreName = score
    self.smallerIsBetter = smallerIsBetter
    self.keepsBest = keepsBest
    self.evaluate = evaluate
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) throws -> TrainingEvent? {
    switch event {
    case .stepped(let metrics):
      guard interval > 0, metrics.step % interval == 0, metrics.step < metrics.steps else {
        return nil
      }
      return try .evaluated(evaluation(&state))
    case .ending(.finished):
      return try .evaluated(evaluation(&state))
    default:
      return nil
    }
  }

  private func evaluation(_ state: inout TrainingState) throws -> Evaluation {
    let figures = try evaluate(state.evaluated)
    guard let score = figures[scoreName] else {
      preconditionFailure(
        "EvaluationCallback: the score '\(scoreName)' is not among \(figures.keys.sorted())")
    }
    let best = state.best?.score
    let isBest = score.isFinite && (best.map { smallerIsBetter ? score < $0 : score > $0 } ?? true)
    if isBest {
      state.best = BestResult(
        score: score, step: state.step, parameters: keepsBest ? state.evaluated : nil)
    }
    return Evaluation(step: state.step, figures: figures, score: score, isBest: isBest)
  }
}
