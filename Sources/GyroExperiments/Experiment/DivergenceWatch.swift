import Foundation
import GyroModels
import GyroRotation
import GyroTensors
import GyroTraining

/// Stops the learning of rotations when the loss runs away, and goes back to the best there were.
///
/// What it remembers lives in the training state, so a resumed run stops where the whole one does.
final class DivergenceWatch: TrainingCallback {
  private let learning: RotationLearning
  private let learned: PathPattern
  private let limit: Double
  /// The numbers that the gradients of this step belong to.
  private var current: [ParameterPath: Tensor] = [:]

  /// - Parameters:
  ///   - learned: what is put back.
  ///   - limit: the multiple of its first value that the smoothed loss may reach; 0 for any.
  init(_ learning: RotationLearning, _ learned: PathPattern, limit: Double) {
    self.learning = learning
    self.learned = learned
    self.limit = limit
  }

  func willUpdate(_: inout Gradients, batches: Int, _ state: inout TrainingState) {
    let paths = state.parameters.parameterPaths.filter(learned.matches)
    current = Dictionary(uniqueKeysWithValues: paths.map { ($0, state.parameters[$0]) })
  }

  func handle(_ event: TrainingEvent, _ state: inout TrainingState) -> TrainingEvent? {
    guard limit > 0, case .stepped(let metrics) = event else { return nil }
    var course = RotationCourse(state) ?? RotationCourse(startingAt: metrics.loss)
    if course.take(metrics.loss, step: metrics.step - 1) {
      for (path, value) in current { state.extra[Self.name(path)] = value }
    }
    course.record(in: &state)
    if course.recent > limit * course.first {
      _ = giveUp(at: metrics.step, of: metrics.steps, &state)
    }
    return nil
  }

  /// Puts the best numbers back and ends the run.
  /// - Returns: false, with nothing done, when there are none.
  func giveUp(at step: Int, of steps: Int, _ state: inout TrainingState) -> Bool {
    guard var course = RotationCourse(state) else { return false }
    for path in state.parameters.parameterPaths where learned.matches(path) {
      guard let value = state.extra[Self.name(path)] else { return false }
      state.parameters[path] = value
    }
    learning.merge(into: &state.parameters)
    course.stoppedAt = step
    course.record(in: &state)
    state.step = steps
    return true
  }

  private static func name(_ path: ParameterPath) -> String { "best." + path.name }
}

/// How the loss went so far.
struct RotationCourse: Codable {
  var first: Double
  /// Smoothed: half of each loss, half of those before.
  var recent: Double
  var best: Double
  /// How many steps had been made when the loss was best.
  var bestStep = 0
  /// The step after which learning was stopped.
  var stoppedAt: Int?

  private static let note = "loss of rotations"

  init(startingAt loss: Double) { (first, recent, best) = (loss, loss, .infinity) }

  /// What a training state holds.
  init?(_ state: TrainingState) {
    guard let text = state.notes[Self.note],
      let course = try? JSONDecoder().decode(Self.self, from: Data(text.utf8))
    else { return nil }
    self = course
  }

  /// Takes in the loss before a step.
  /// - Returns: whether it is the best so far.
  mutating func take(_ loss: Double, step: Int) -> Bool {
    recent = (recent + loss) / 2
    guard loss < best else { return false }
    (best, bestStep) = (loss, step)
    return true
  }

  func record(in state: inout TrainingState) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let data = try? encoder.encode(self) else { return }
    state.notes[Self.note] = String(decoding: data, as: UTF8.self)
  }

  /// What to tell the user.
  func advice(_ stage: RotateStage) -> String {
    func short(_ value: Double) -> String { String(format: "%.4g", value) }
    return "\(stage.label): learning diverged: the loss began at \(short(first)) and stood at "
      + "\(short(recent)) when it was stopped after step \(stoppedAt ?? 0); the rotations after "
      + "step \(bestStep) (loss \(short(best))) are kept. Try rate: \(short(stage.learning.rate / 4))"
      + (stage.scalings.isEmpty ? "" : ", scaling-rate: \(short(stage.scalingRate / 4))")
  }
}
