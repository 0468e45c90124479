import GyroModels
import GyroQuantization
import GyroRotation
import GyroTensors

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
    if stage.isBlockwise {
      work.learning.unmerge(from: &work.parameters)
      MemoryUsage.trim()
    }
    let learned = try learn(stage, place, work, &figures)
    let rotations = try finish(stage, work, learned, &figures)
    try save(rotations, work, in: rotationsFile(of: place))
    try look(stage, place, work, &figures)
    return ExperimentResults.Stage(
      kind: "rotate", label: stage.label, quantized: false, figures: figures, seconds: 0)
  }

  /// Brings everything to where a finished stage left it.
  mutating func skip(_ stage: RotateStage, _ place: StagePlace) throws {
    var work = try begin(stage)
    var figures: [String: Double] = [:]
    if let rotations = try saved(work, in: rotationsFile(of: place)) {
      work.merged = rotations
      _ = try finish(stage, work, work.learning.base, &figures)
      return
    }
    guard stage.learning.steps > 0 else {
      try chooseStart(stage, &work, &figures)
      try turnLocally(stage, &work, &figures)
      _ = try finish(stage, work, work.parameters, &figures)
      return
    }
    try start(stage, seed: stage.seed, &work)
    var (state, checkpoints, _) = try prepare(stage, place, work)
    guard try checkpoints.restore(&state) != nil, state.step == stage.learning.steps else {
      throw ExperimentError.damagedState(
        file: checkpoints.url.path,
        reason: "stage '\(stage.label)' is done, but its last checkpoint is not there")
    }
    _ = try finish(stage, work, state.parameters, &figures)
  }

  private mutating func begin(_ stage: RotateStage) throws -> RotationWork {
    guard let model = task.llama else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'", reason: "only models of the Llama family can be rotated")
    }
    guard let plan = rotatedPlan else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'", reason: "rotations are learned against a scheme")
    }
    guard task.initialScheme == nil else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'",
        reason: "the checkpoint is quantized, and a rotation would move its weights off their "
          + "grids; rotate the float checkpoint it was made from")
    }
    try turn(quantized: false)
    if beforeRotation == nil { qualityBefore = nil }
    var base = beforeRotation ?? parameters
    plan.forget(&base)
    // Training moves the gains of norms away from 1.
    base = try RotationPreparation.prepared(model, base).parameters
    var given: LlamaRotations?
    if let path = stage.from {
      given = try RotationFile.read(
        context.url(path), for: ModelFingerprint.of(model, base), plan.scheme)
    }
    let learning = try RotationLearning(
      plan, model, base: base, scalings: stage.scalings.union(given?.scalings?.pairs ?? []),
      quantizesWeights: stage.quantizesWeights)
    var work = RotationWork(
      learning: learning, model: model, parameters: base, float: FloatModel(parameters: base))
    work.given = given
    // What nobody is going to change is merged as it is in the file.
    if stage.learning.steps == 0, stage.local == nil { work.merged = given }
    teacher = work.float
    return work
  }

  /// Projects and merges in Float64, and makes sure that the float model is the same.
  private mutating func finish(
    _ stage: RotateStage, _ work: RotationWork, _ learned: ParameterStore,
    _ figures: inout [String: Double]
  ) throws -> LlamaRotations {
    let (learning, model) = (work.learning, work.model)
    var rotations: LlamaRotations
    if let merged = work.merged {
      rotations = merged
    } else {
      let residual: Double
      (rotations, residual) = try learning.rotations(in: learned)
      figures["orthogonality_residual"] = residual
    }
    var merged = try rotations.merged(into: learning.base, model)
    let gate = EquivalenceGate(probing: model)
    let report = try gate.check(
      EquivalenceGate.Subject(model, learning.base),
      EquivalenceGate.Subject(
        model, merged, instrumentation: learning.plan.online, rotations: [rotations]),
      after: stage.label)
    figures["largest_logit_difference"] = report.logits
    // What activations' quantizers learned beside the rotations stays; ranges that are found once
    // were found for the start, and are found anew.
    let states = learning.plan.siteStatePaths
    let trained = learning.quantizerStates(in: learned)
    for path in trained { merged.declare(path, learned[path], kind: .quantizer) }
    beforeRotation = learning.base
    isRotated = true
    isPreparationStale = trained.isEmpty
    if !trained.isEmpty, trained.count < states.count {
      try prepare(learning.plan, &merged, CalibrateStage(label: stage.label))
    }
    parameters = merged
    lastMeasured = nil
    return rotations
  }

  // MARK: The file

  /// Where the rotations of a stage are kept: in its folder, beside its logs if it has any.
  private func rotationsFile(of place: StagePlace) -> RotationFile.Location {
    let walks = context.recipe.stages[place.index].walks(at: place.index)
      .contains { $0.place.rung == place.rung }
    var folder = folder(of: place)
    if !walks, place.rung == nil {
      folder = context.folder.folder(ofStage: place.index, isOnly: false)
    }
    return RotationFile.Location(folder: folder)
  }

  private func save(
    _ rotations: LlamaRotations, _ work: RotationWork, in location: RotationFile.Location
  ) throws {
    try location.make()
    try RotationFile.write(
      rotations, of: ModelFingerprint.of(work.model, work.learning.base),
      work.learning.plan.scheme, to: location.file)
  }

  /// The rotations of a finished stage, where nothing else was learned.
  private func saved(
    _ work: RotationWork, in location: RotationFile.Location
  ) throws -> LlamaRotations? {
    guard location.isThere, work.learning.plan.siteStatePaths.isEmpty else { return nil }
    return try RotationFile.read(
      location.file, for: ModelFingerprint.of(work.model, work.learning.base),
      work.learning.plan.scheme)
  }
}

/// Rotations at work: what learns them, and the store that holds them merged.
struct RotationWork {
  let learning: RotationLearning
  let model: LlamaConfiguration
  var parameters: ParameterStore
  /// The float model that rotations must leave alone.
  let float: FloatModel
  /// Rotations to start from; nil to make a start.
  var given: LlamaRotations?
  /// Rotations to merge as they are; nil for those in the store.
  var merged: LlamaRotations?
}
