import Foundation
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroRotation
import GyroTensors
import GyroTraining

/// Learning rotations end to end.
extension StageRunner {
  func prepare(
    _ stage: RotateStage, _ place: StagePlace, _ work: RotationWork
  ) throws -> (TrainingState, CheckpointDirectory, TrainingOptions) {
    let rotation: any UpdateRule =
      switch stage.optimizer {
      case .cayleyAdam: CayleyAdam(beta1: stage.learning.momentum)
      case .cayleySGD: CayleySGD(momentum: stage.learning.momentum)
      case .published: CayleySGD.published(seed: UInt64(stage.seed))
      }
    let factor = stage.learning.rate > 0 ? stage.scalingRate / stage.learning.rate : 0
    let parameters = work.parameters
    let state = TrainingState(
      parameters: parameters,
      optimizer: try work.learning.optimizer(
        for: parameters, rotations: rotation, rateFactor: factor),
      seed: seed(ofStage: place.index))
    var options = try options(of: stage.learning)
    options.trainable = work.learning.trainable(in: parameters)
    var fingerprints = options.fingerprints
    fingerprints["scheme"] = work.learning.plan.scheme.fingerprint
    fingerprints["precision"] = context.recipe.precision.rawValue
    let folder = folder(of: place).appending(path: "checkpoints")
    return (state, CheckpointDirectory(folder, fingerprints: fingerprints), options)
  }

  func learn(
    _ stage: RotateStage, _ place: StagePlace, _ work: RotationWork,
    _ figures: inout [String: Double]
  ) throws -> ParameterStore {
    guard stage.learning.steps > 0 else { return work.parameters }
    var (state, checkpoints, options) = try prepare(stage, place, work)
    try checkpoints.restore(&state) { context.progress(.note($0)) }
    let watch = DivergenceWatch(
      work.learning, options.trainable, limit: stage.stopAbove)
    do {
      let found = try walk(
        &state, stage.learning, place, checkpoints, options,
        watchers: [RotationCallback(work.learning, isBlockwise: stage.isBlockwise), watch],
        instrumentation: work.learning,
        differentiation: stage.isBlockwise ? blockwise(work.learning) : nil
      ) { work.learning.plan.absorb($0, into: &$1) }
      figures.merge(found) { $1 }
    } catch TrainingError.notFinite(let path, let step, let what, let checkpoint) {
      guard watch.giveUp(at: step, of: stage.learning.steps, &state) else {
        throw TrainingError.notFinite(
          path: path, step: step, what: what, lastCheckpoint: checkpoint)
      }
      try checkpoints.write(state)
      figures[task.unit] = Double(state.itemsSeen)
    }
    if let course = RotationCourse(state), let step = course.stoppedAt {
      figures["steps"] = Double(step)
      figures["stopped_at_step"] = Double(step)
      figures["best_step"] = Double(course.bestStep)
      context.progress(.note(course.advice(stage)))
    }
    return state.parameters
  }
}

extension StageRunner {
  /// Gradients from one block after the other.
  private func blockwise(_ learning: RotationLearning) -> BatchDifferentiation {
    let blocks = BlockwiseLearning(learning)
    return { batch, parameters, mode, seed in
      try blocks.differentiate(
        parameters, task.window(of: batch), mode: mode, seed: seed,
        precision: context.recipe.precision)
    }
  }
}

/// Merges rotations into the weights after every step; block by block, each step does so by itself.
private final class RotationCallback: TrainingCallback {
  private let learning: RotationLearning
  private let isBlockwise: Bool

  init(_ learning: RotationLearning, isBlockwise: Bool) {
    self.learning = learning
    self.isBlockwise = isBlockwise
  }

  func handle(_ event: TrainingEvent, _ state: inout TrainingState) -> TrainingEvent? { nil }

  func didUpdate(_ state: inout TrainingState) throws {
    if isBlockwise {
      learning.plan.constrain(&state.parameters)
    } else {
      try learning.settle(&state.parameters)
    }
  }
}
