import Foundation
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroTensors
import GyroTraining

/// Training stages: state, optimizer groups, targets, and those who watch.
extension StageRunner {
  func prepare(
    _ stage: TrainStage, _ index: Int
  ) throws -> (TrainingState, CheckpointDirectory) {
    let rule: any UpdateRule =
      switch stage.optimizer {
      case .adamw: AdamW(weightDecay: stage.weightDecay)
      case .sgd: SGD(momentum: stage.momentum, weightDecay: stage.weightDecay)
      }
    let state = TrainingState(
      parameters: parameters,
      optimizer: try Optimizer(groups: groups(rule, stage), for: parameters),
      seed: seed(ofStage: index), averageDecay: stage.average > 0 ? stage.average : nil)
    let options = try options(of: stage)
    var fingerprints = options.fingerprints
    fingerprints["scheme"] = stage.quantized ? plan!.scheme.fingerprint : "none"
    fingerprints["precision"] = context.recipe.precision.rawValue
    fingerprints["milestones"] = stage.milestones?.summary ?? "none"
    let folder = folder(of: StagePlace(index)).appending(path: "checkpoints")
    return (state, CheckpointDirectory(folder, fingerprints: fingerprints))
  }

  /// What quantizers learn has a rate of its own.
  func groups(_ rule: any UpdateRule, _ stage: TrainStage) -> [ParameterGroup] {
    let learned = parameters.parameterPaths.contains {
      parameters.parameter(at: $0)?.kind == .quantizer
    }
    let standard = ParameterGroup.standard(rule, for: parameters)
    guard learned, stage.scaleRate != 1 else { return standard }
    let scales = ParameterGroup(
      "*", kinds: [.quantizer], rule.withoutWeightDecay as any UpdateRule,
      rateFactor: stage.scaleRate)
    return [scales] + standard
  }

  func options(of stage: TrainStage) throws -> TrainingOptions {
    let schedule = try Schedule(
      stage.schedule, peak: stage.rate, final: stage.rate * stage.floor, warmup: stage.warmup,
      steps: stage.steps)
    return TrainingOptions(
      steps: stage.steps, schedule: schedule, clippingNorm: stage.clip > 0 ? stage.clip : nil,
      accumulation: stage.accumulate)
  }

  mutating func train(_ stage: TrainStage, _ index: Int) throws -> ExperimentResults.Stage {
    try turn(quantized: stage.quantized)
    let place = StagePlace(index)
    var (state, checkpoints) = try prepare(stage, index)
    try checkpoints.restore(&state) { context.progress(.note($0)) }
    let active = try following(stage.milestones)
    let figures = try walk(
      &state, stage, place, checkpoints, try options(of: stage),
      watchers: stage.quantized ? watchers(stage, folder(of: place), active!) : [],
      instrumentation: stage.quantized ? active! : online
    ) {
      task.absorb($0, into: &$1)
      if stage.quantized { active!.absorb($0, into: &$1) }
    }
    try took(state.evaluated, of: stage, index)
    return ExperimentResults.Stage(
      kind: "train", label: stage.label, quantized: isQuantized, figures: figures, seconds: 0)
  }

  /// Gradients of a batch that are found otherwise than through the loss of the whole model.
  typealias BatchDifferentiation = (
    T.Batch, ParameterStore, ForwardMode, UInt64
  ) throws -> Differentiation

  /// Steps from where `state` is to the end of a stage, with logs and checkpoints in its folder.
  /// - Parameter differentiation: takes the place of the stage's loss.
  /// - Returns: `steps`, how many units were seen, and the last `training_loss`.
  func walk(
    _ state: inout TrainingState, _ stage: TrainStage, _ place: StagePlace,
    _ checkpoints: CheckpointDirectory, _ options: TrainingOptions,
    watchers: [any TrainingCallback], instrumentation: any Instrumentation,
    differentiation: BatchDifferentiation? = nil,
    absorb: (Statistics, inout ParameterStore) throws -> Void
  ) throws -> [String: Double] {
    let folder = folder(of: place)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var callbacks = watchers
    callbacks += [
      MetricsFileCallback(folder.appending(path: "metrics.jsonl")), TensorBoardCallback(folder),
      CheckpointCallback(checkpoints, every: stage.checkpointEvery),
    ]
    if let reporter = context.reporter { callbacks.insert(reporter(stage.label, task.unit), at: 0) }
    let precision = context.recipe.precision
    let batches = try task.batches(for: stage, seed: seed(ofStage: place.index))
    let trainer = Trainer(options, callbacks: callbacks, interruption: context.interruption)
    if let differentiation {
      try trainer.run(
        &state, size: task.size(of:), absorb: absorb, batch: batches,
        differentiation: differentiation)
    } else {
      try trainer.run(
        &state, instrumentation: instrumentation, precision: precision,
        recomputesActivations: stage.recompute, size: task.size(of:), absorb: absorb,
        batch: batches,
        loss: { batch, pass in
          task.loss(batch, pass, target(of: stage, at: pass.mode), precision: precision)
        })
    }
    var figures = ["steps": Double(state.step), task.unit: Double(state.itemsSeen)]
    let curve = LossCurve.points(of: folder.appending(path: "metrics.jsonl"))
    if let last = curve.last { figures["training_loss"] = last.loss }
    return figures
  }

  /// The plan as milestones switch it from step to step, which are shown.
  private func following(_ milestones: MilestoneSchedule?) throws -> QuantizationPlan? {
    guard let milestones else { return plan }
    var active = plan
    try active?.follow(milestones.milestones.contains { $0.changesBits }) {
      milestones.state(at: $0)
    }
    context.progress(.note(milestones.timeline()))
    return active
  }

  /// What the loss of a step compares with.
  func target(of stage: TrainStage, at mode: ForwardMode) -> TrainingTarget {
    var share = stage.distillationShare
    if let milestones = stage.milestones, case .training(let step) = mode,
      milestones.setsDistillation
    {
      share = milestones.state(at: step).distillation
    }
    return TrainingTarget(
      teacher: share > 0 ? teacher : nil, share: Float(share),
      temperature: Float(stage.temperature), isReversed: stage.loss == .reverseDistillation)
  }

  /// Those who look after quantizers while weights train.
  /// - Parameter plan: as it follows the milestones, so that a weight is watched as it is computed.
  func watchers(
    _ stage: TrainStage, _ folder: URL, _ plan: QuantizationPlan
  ) -> [any TrainingCallback] {
    var watchers: [any TrainingCallback] = [PlanCallback(plan)]
    let weights = PlanWeights(plan: plan)
    if stage.dampening > 0 || stage.freezing > 0 {
      func schedule(_ from: Double, _ to: Double) -> Schedule? {
        to > 0
          ? try? Schedule(.cosine, peak: from, final: to, warmup: 0, steps: stage.steps) : nil
      }
      watchers.append(
        OscillationControl(
          weights, dampening: schedule(0, stage.dampening),
          freezing: schedule(10 * stage.freezing, stage.freezing)))
    }
    if stage.health > 0 {
      watchers.append(
        QuantizationHealth(
          weights, to: folder.appending(path: "health.jsonl"), every: stage.health))
    }
    return watchers
  }
}
