import Foundation
import GyroCheckpoints
import GyroManifolds
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroRotation
import GyroTensors
import GyroTraining

/// Stages that rotate a model.
extension StageRunner {
  /// The plan that holds now: with the online transforms of the scheme once the model is rotated.
  var plan: QuantizationPlan? { isRotated ? rotatedPlan : unrotatedPlan }

  /// What has to run online with float parameters.
  var online: any Instrumentation {
    isRotated ? rotatedPlan?.online ?? OnlineTransforms() : NoInstrumentation()
  }

  mutating func rotate(
    _ stage: RotateStage, _ place: StagePlace
  ) throws -> ExperimentResults.Stage {
    var work = try begin(stage)
    var figures: [String: Double] = [:]
    try chooseStart(stage, &work, &figures)
    try turnLocally(stage, &work, &figures)
    let learned = try learn(stage, place, work, &figures)
    try finish(stage, work.learning, learned, &figures)
    return ExperimentResults.Stage(
      kind: "rotate", label: stage.label, quantized: false, figures: figures, seconds: 0)
  }

  /// Brings everything to where a finished stage left it.
  mutating func skip(_ stage: RotateStage, _ place: StagePlace) throws {
    var work = try begin(stage)
    var figures: [String: Double] = [:]
    guard stage.learning.steps > 0 else {
      try chooseStart(stage, &work, &figures)
      try turnLocally(stage, &work, &figures)
      return try finish(stage, work.learning, work.parameters, &figures)
    }
    try start(stage, seed: stage.seed, &work)
    var (state, checkpoints) = try prepare(stage, place, work)
    guard try checkpoints.restore(&state) != nil, state.step == stage.learning.steps else {
      throw ExperimentError.damagedState(
        file: checkpoints.url.path,
        reason: "stage '\(stage.label)' is done, but its last checkpoint is not there")
    }
    try finish(stage, work.learning, state.parameters, &figures)
  }

  /// Rotations at work: what learns them, and the store that holds them merged.
  private struct Work {
    let learning: RotationLearning
    let model: LlamaConfiguration
    var parameters: ParameterStore
    /// The float model that rotations must leave alone.
    let float: FloatModel
  }

  private mutating func begin(_ stage: RotateStage) throws -> Work {
    guard let model = task.llama else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'", reason: "only models of the Llama family can be rotated")
    }
    guard let plan = rotatedPlan else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'", reason: "rotations are learned against a scheme")
    }
    try turn(quantized: false)
    let base = beforeRotation ?? parameters
    let learning = try RotationLearning(
      plan, model, base: base, scalings: stage.scalings, quantizesWeights: stage.quantizesWeights)
    let work = Work(
      learning: learning, model: model, parameters: base, float: FloatModel(parameters: base))
    teacher = work.float
    return work
  }

  private func start(_ stage: RotateStage, seed: Int, _ work: inout Work) throws {
    work.parameters = work.learning.base
    let start: RotationStart =
      switch stage.start {
      case .identity: .identity
      case .hadamard: .hadamard(seed: UInt64(seed))
      case .orthogonal: .orthogonal(seed: UInt64(seed))
      }
    work.learning.start(&work.parameters, start)
    // Learned clipping begins where calibration of the rotated model would.
    try prepare(work.learning.plan, &work.parameters, CalibrateStage(label: stage.label))
  }

  // MARK: Without the whole model

  private func chooseStart(
    _ stage: RotateStage, _ work: inout Work, _ figures: inout [String: Double]
  ) throws {
    guard stage.candidates > 1, stage.start != .identity else {
      return try start(stage, seed: stage.seed, &work)
    }
    var best: (divergence: Double, parameters: ParameterStore)?
    var worst = 0.0
    for candidate in 0..<stage.candidates {
      try start(stage, seed: stage.seed + candidate, &work)
      let divergence = try divergence(stage, work)
      worst = max(worst, divergence)
      if divergence < best?.divergence ?? .infinity { best = (divergence, work.parameters) }
      try context.working("\(stage.label): starts", candidate + 1, stage.candidates)
    }
    work.parameters = best!.parameters
    figures["best_start_divergence"] = best!.divergence
    figures["worst_start_divergence"] = worst
  }

  /// How far a rotated and quantized model lies from the float one on calibration text.
  private func divergence(_ stage: RotateStage, _ work: Work) throws -> Double {
    let batches = try batches(of: stage)
    var sum = 0.0
    for index in 0..<stage.candidateBatches {
      let batch = batches(index)
      let wanted = task.scores(batch, work.float.pass(context.recipe.precision)).value
      let pass = ForwardPass(
        work.parameters, instrumentation: work.learning, precision: context.recipe.precision)
      sum += Double(task.scores(batch, pass).kullbackLeibler(toTeacher: wanted).value.item)
      if let fault = pass.fault { throw fault }
    }
    return sum / Double(stage.candidateBatches)
  }

  /// Calibration text if there is any, else training text.
  private func batches(of stage: RotateStage) throws -> (Int) -> T.Batch {
    var calibrate = CalibrateStage(label: stage.label)
    calibrate.batch = stage.learning.batch
    calibrate.length = stage.learning.length
    return try task.batches(for: calibrate, seed: UInt64(context.recipe.seed) &+ 0x0707)
  }

  private func turnLocally(
    _ stage: RotateStage, _ work: inout Work, _ figures: inout [String: Double]
  ) throws {
    guard let objective = stage.local, stage.localSteps > 0 else { return }
    let local = LocalRotations(objective, steps: stage.localSteps, rate: stage.localRate)
    let pass = ForwardPass(
      work.learning.base, instrumentation: local.probe(work.learning),
      precision: context.recipe.precision)
    _ = task.scores(try batches(of: stage)(0), pass)
    let found = try local.learn(
      work.learning, &work.parameters, samples: pass.statistics, rule: CayleyAdam()
    ) { try context.working("\(stage.label): \(objective.rawValue)", $0, $1) }
    let count = Double(max(found.count, 1))
    figures["local_before"] = found.reduce(0) { $0 + $1.before } / count
    figures["local_after"] = found.reduce(0) { $0 + $1.after } / count
  }

  // MARK: End to end

  private func prepare(
    _ stage: RotateStage, _ place: StagePlace, _ work: Work
  ) throws -> (TrainingState, CheckpointDirectory) {
    let rotation: any UpdateRule =
      switch stage.optimizer {
      case .cayleyAdam: CayleyAdam(beta1: stage.learning.momentum)
      case .cayleySGD: CayleySGD(momentum: stage.learning.momentum)
      case .published: CayleySGD.published(seed: UInt64(stage.seed))
      }
    let factor = stage.learning.rate > 0 ? stage.scalingRate / stage.learning.rate : 0
    let candidates = [
      ParameterGroup("*", kinds: [.rotation], rotation),
      ParameterGroup("*", kinds: [.scaling, .quantizer], AdamW(), rateFactor: factor),
    ]
    let trainable = trainable(work)
    let parameters = work.parameters
    let learned = parameters.parameterPaths.filter(trainable.matches).compactMap {
      parameters.parameter(at: $0)
    }
    let state = TrainingState(
      parameters: parameters,
      optimizer: try Optimizer(
        groups: candidates.filter { learned.contains(where: $0.matches) }, for: parameters,
        trainable: trainable), seed: seed(ofStage: place.index))
    var options = try options(of: stage.learning)
    options.trainable = trainable
    var fingerprints = options.fingerprints
    fingerprints["scheme"] = work.learning.plan.scheme.fingerprint
    fingerprints["precision"] = context.recipe.precision.rawValue
    let folder = folder(of: place).appending(path: "checkpoints")
    return (state, CheckpointDirectory(folder, fingerprints: fingerprints))
  }

  /// Rotations, scaling pairs, and what activations' quantizers learn.
  private func trainable(_ work: Work) -> PathPattern {
    let states = work.learning.plan.siteStatePaths.filter {
      work.parameters.parameter(at: $0)?.kind == .quantizer
    }
    return PathPattern(
      ([RotationLearning.pattern.pattern] + states.map(\.name)).joined(separator: "|"))
  }

  private func learn(
    _ stage: RotateStage, _ place: StagePlace, _ work: Work, _ figures: inout [String: Double]
  ) throws -> ParameterStore {
    guard stage.learning.steps > 0 else { return work.parameters }
    var (state, checkpoints) = try prepare(stage, place, work)
    try checkpoints.restore(&state) { context.progress(.note($0)) }
    var options = try options(of: stage.learning)
    options.trainable = trainable(work)
    let found = try walk(
      &state, stage.learning, place, checkpoints, options,
      watchers: [RotationCallback(work.learning)], instrumentation: work.learning
    ) { work.learning.plan.absorb($0, into: &$1) }
    figures.merge(found) { $1 }
    return state.parameters
  }

  /// Projects and merges in Float64, and makes sure that the float model is the same.
  private mutating func finish(
    _ stage: RotateStage, _ learning: RotationLearning, _ learned: ParameterStore,
    _ figures: inout [String: Double]
  ) throws {
    let (rotations, residual) = try learning.rotations(in: learned)
    figures["orthogonality_residual"] = residual
    let model = task.llama!
    var merged = try rotations.merged(into: learning.base, model)
    for path in learning.plan.siteStatePaths where learned.contains(path) {
      merged.declare(path, learned[path], kind: learned.parameter(at: path)!.kind)
    }
    let gate = EquivalenceGate(probing: model)
    let report = try gate.check(
      EquivalenceGate.Subject(model, learning.base),
      EquivalenceGate.Subject(
        model, merged, instrumentation: learning.plan.online, rotations: [rotations]),
      after: stage.label)
    figures["largest_logit_difference"] = report.logits
    beforeRotation = learning.base
    parameters = merged
    isRotated = true
    // What activations' quantizers learned beside the rotations stays.
    isPreparationStale = learning.plan.siteStatePaths.isEmpty
    lastMeasured = nil
  }

  // MARK: Outliers

  mutating func liftOutliers(_ stage: OutliersStage) throws -> ExperimentResults.Stage {
    guard let model = task.llama, !isRotated else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'",
        reason: "outliers are given to models of the Llama family that are not rotated yet")
    }
    try turn(quantized: false)
    var calibrate = CalibrateStage(label: stage.label)
    calibrate.batch = stage.windows
    let batches = try task.batches(for: calibrate, seed: UInt64(context.recipe.seed) &+ 0x0a11)
    let windows = task.windows(of: batches(0))
    let twin = try OutlierTwin(strength: stage.strength, seed: UInt64(stage.seed))
      .applied(to: model, parameters, calibratingOn: windows)
    parameters = twin.parameters
    isPreparationStale = true
    lastMeasured = nil
    context.progress(.note("\(twin.report)"))
    return ExperimentResults.Stage(
      kind: "outliers", label: stage.label, quantized: false,
      figures: ["largest_logit_difference": twin.report.logits], seconds: 0)
  }
}

/// Merges rotations into the weights after every step.
private final class RotationCallback: TrainingCallback {
  private let learning: RotationLearning

  init(_ learning: RotationLearning) { self.learning = learning }

  func handle(_ event: TrainingEvent, _ state: inout TrainingState) -> TrainingEvent? { nil }

  func didUpdate(_ state: inout TrainingState) {
    learning.plan.constrain(&state.parameters)
    learning.merge(into: &state.parameters)
  }
}
