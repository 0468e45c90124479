import GyroManifolds
import GyroModels
import GyroOptimization
import GyroRotation

/// Starts of rotations, and what can be learned without the whole model.
extension StageRunner {
  func start(_ stage: RotateStage, seed: Int, _ work: inout RotationWork) throws {
    work.parameters = work.learning.base
    if let given = work.given {
      try work.learning.start(&work.parameters, from: given)
    } else {
      let start: RotationStart =
        switch stage.start {
        case .identity: .identity
        case .hadamard: .hadamard(seed: UInt64(seed))
        case .orthogonal: .orthogonal(seed: UInt64(seed))
        }
      work.learning.start(&work.parameters, start)
      try balance(stage, &work)
    }
    // Learned clipping begins where calibration of the rotated model would.
    try prepare(work.learning.plan, &work.parameters, CalibrateStage(label: stage.label))
  }

  private func balance(_ stage: RotateStage, _ work: inout RotationWork) throws {
    guard !stage.scalings.isEmpty else { return }
    let pass = ForwardPass(
      work.learning.base, instrumentation: work.learning.balanceProbe,
      precision: context.recipe.precision)
    _ = task.scores(try batches(of: stage)(0), pass)
    work.learning.balance(&work.parameters, samples: pass.statistics)
  }

  func chooseStart(
    _ stage: RotateStage, _ work: inout RotationWork, _ figures: inout [String: Double]
  ) throws {
    guard work.merged == nil else { return }
    guard stage.candidates > 1, stage.start != .identity, work.given == nil else {
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
    guard let best else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'", reason: "no start gives a finite divergence")
    }
    work.parameters = best.parameters
    figures["best_start_divergence"] = best.divergence
    figures["worst_start_divergence"] = worst
  }

  /// How far a rotated and quantized model lies from the float one on calibration text.
  private func divergence(_ stage: RotateStage, _ work: RotationWork) throws -> Double {
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
  func batches(of stage: RotateStage) throws -> (Int) -> T.Batch {
    var calibrate = CalibrateStage(label: stage.label)
    calibrate.batch = stage.learning.batch
    calibrate.length = stage.learning.length ?? task.llama.map(LanguageTask.trainingLength)
    return try task.batches(for: calibrate, seed: UInt64(context.recipe.seed) &+ 0x0707)
  }

  func turnLocally(
    _ stage: RotateStage, _ work: inout RotationWork, _ figures: inout [String: Double]
  ) throws {
    guard work.merged == nil, let objective = stage.local, stage.localSteps > 0 else { return }
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
}
