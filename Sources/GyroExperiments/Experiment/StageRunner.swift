import Foundation
import GyroCheckpoints
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroTensors
import GyroTraining

/// Runs the stages of a recipe one after the other and keeps what they find.
struct StageRunner<T: ExperimentTask> {
  let task: T
  let context: RunContext
  /// The scheme without rotations, and with them: which one holds depends on `rotated`.
  let unrotatedPlan, rotatedPlan: QuantizationPlan?
  /// What the stages work on.
  var parameters: ParameterStore
  /// The float model that distillation learns from: as it was when quantization was turned on.
  var teacher: FloatModel
  /// The model before its rotations were merged; nil when none are.
  var beforeRotation: ParameterStore?
  var isRotated: Bool
  /// What flows through the model before its rotations, once somebody has looked.
  var qualityBefore: ActivationQuality.Report?
  /// What flows through it after the newest ones.
  var qualityAfter: ActivationQuality.Report?
  var isQuantized = false
  /// Whether quantizers have to be prepared: they never were, or float training has changed the
  /// weights since. A quantized checkpoint comes with the ranges of its activations.
  var isPreparationStale: Bool
  /// The newest measurement, while nothing has changed since.
  var lastMeasured: (stage: EvaluateStage, figures: [String: Double])?
  /// The loss of the first float measurement, by what it was measured on.
  var floatLoss: [String: Double] = [:]
  var results: ExperimentResults

  init(_ task: T, _ context: RunContext) throws {
    self.task = task
    self.context = context
    parameters = task.initial
    isPreparationStale = task.initialScheme == nil
    let recipe = context.recipe
    rotatedPlan = try recipe.scheme.map { try QuantizationPlan($0, for: task.initial) }
    unrotatedPlan = try recipe.scheme.map { scheme in
      var plain = scheme
      plain.rotations = nil
      return try QuantizationPlan(plain, for: task.initial)
    }
    if let there = task.initialScheme, let here = recipe.scheme, there != here {
      throw QuantizationError.scheme(expected: here, got: there)
    }
    isRotated = task.initialScheme?.rotations != nil
    teacher = FloatModel(parameters: task.initial)
    if isRotated, let rotatedPlan { teacher.instrumentation = rotatedPlan.online }
    if let plan = rotatedPlan {
      context.progress(.resolved(plan))
      for note in recipe.notes(on: plan, for: task.llama) { context.progress(.note(note)) }
    }
    results = ExperimentResults(
      name: recipe.name, description: recipe.description, scheme: recipe.scheme?.summary,
      schemeFingerprint: recipe.scheme?.fingerprint, precision: recipe.precision.rawValue,
      parameters: task.initial.parameterCount)
  }

  /// Runs what is not done yet.
  mutating func runAll() throws -> ExperimentResults {
    let stages = context.recipe.stages
    let done = try context.folder.readState()
    let count = min(done?.stagesDone ?? 0, done?.results.stages.count ?? 0, stages.count)
    for (index, stage) in stages.enumerated() {
      if index < count, let result = done?.results.stages[index] {
        try skip(stage, index, result)
        context.progress(.skipped(result))
        continue
      }
      context.progress(
        .began(stage: index + 1, of: stages.count, kind: stage.kind, label: Self.label(of: stage)))
      // Another stage computes with other shapes, and would not reuse what this one left.
      MemoryUsage.trim()
      let started = systemSeconds()
      var result = try run(stage, index)
      result.seconds = systemSeconds() - started
      results.stages.append(result)
      try context.folder.write(.init(stagesDone: index + 1, results: results))
      context.progress(.finished(result))
    }
    try writeReport()
    return results
  }

  // MARK: Stages

  private mutating func run(_ stage: StageRecipe, _ index: Int) throws -> ExperimentResults.Stage {
    switch stage {
    case .calibrate(let stage): return try calibrate(stage)
    case .compare(let stage): return try compare(stage)
    case .evaluate(let stage): return try measure(stage, kind: "evaluate")
    case .round(let stage):
      try turn(quantized: true)
      return try measure(stage, kind: "round")
    case .train(let stage): return try train(stage, index)
    case .rotate(let stage): return try rotate(stage, StagePlace(index))
    case .ladder(let stage): return try climb(stage, index)
    case .gptq(let stage): return try compensate(stage)
    case .outliers(let stage): return try liftOutliers(stage, StagePlace(index))
    case .export(let stage): return try export(stage)
    }
  }

  /// Brings everything to where a finished stage left it.
  private mutating func skip(
    _ stage: StageRecipe, _ index: Int, _ result: ExperimentResults.Stage
  ) throws {
    switch stage {
    case .calibrate(let stage): _ = try calibrate(stage)
    case .evaluate(let stage):
      if let quantized = stage.quantized { try turn(quantized: quantized) }
      remember(stage, result.figures)
    case .round(let stage):
      try turn(quantized: true)
      remember(stage, result.figures)
    case .train(let stage):
      try turn(quantized: stage.quantized)
      var (state, checkpoints) = try prepare(stage, index)
      guard try checkpoints.restore(&state) != nil, state.step == stage.steps else {
        throw ExperimentError.damagedState(
          file: checkpoints.url.path,
          reason: "stage '\(stage.label)' is done, but its last checkpoint is not there")
      }
      try took(state.evaluated, of: stage, index)
    case .rotate(let stage): try skip(stage, StagePlace(index))
    case .ladder(let stage): try skip(stage, index, result)
    case .gptq(let stage): _ = try compensate(stage)
    case .outliers(let stage): _ = try liftOutliers(stage, nil)
    case .compare, .export: break
    }
    results.stages.append(result)
  }

  /// Goes on with what a training stage made.
  mutating func took(_ trained: ParameterStore, of stage: TrainStage, _ index: Int) throws {
    parameters = trained
    lastMeasured = nil
    if !stage.quantized { isPreparationStale = true }
    guard stage.reestimateBatchNorm > 0 else { return }
    let batch = try task.batches(for: stage, seed: seed(ofStage: index))
    var measured = parameters
    measured.reestimateBatchNorm(
      batches: { (0..<stage.reestimateBatchNorm).lazy.map { batch($0) } },
      instrumentation: arithmetic.instrumentation
    ) { batch, pass in _ = task.scores(batch, pass) }
    parameters = measured
  }

  mutating func turn(
    quantized: Bool, calibrating stage: CalibrateStage = CalibrateStage()
  ) throws {
    guard quantized != isQuantized else { return }
    if quantized, let plan {
      if isPreparationStale {
        plan.forget(&parameters)
        teacher = FloatModel(parameters: parameters, instrumentation: online)
        try prepare(plan, &parameters, stage)
        isPreparationStale = false
      } else {
        try plan.prepare(&parameters)  // what a checkpoint leaves out; the rest stays
      }
    }
    isQuantized = quantized
    lastMeasured = nil
  }

  // MARK: Measuring

  var arithmetic: Arithmetic {
    Arithmetic(
      instrumentation: isQuantized ? plan! : online,
      precision: context.recipe.precision, teacher: isQuantized ? teacher : nil)
  }

  /// The parameters as they are computed with: on their grids when quantization is on.
  func settled() throws -> ParameterStore {
    isQuantized ? try plan!.frozen(parameters) : parameters
  }

  mutating func measure(
    _ stage: EvaluateStage, kind: String
  ) throws -> ExperimentResults.Stage {
    if let quantized = stage.quantized { try turn(quantized: quantized) }
    let figures = try task.evaluate(try settled(), stage, arithmetic) { done, total in
      try context.working(stage.label, done, total)
    }
    remember(stage, figures)
    return ExperimentResults.Stage(
      kind: kind, label: stage.label, quantized: isQuantized, figures: compared(stage, figures),
      seconds: 0)
  }

  mutating func remember(_ stage: EvaluateStage, _ figures: [String: Double]) {
    var plain = figures
    plain["loss_above_float"] = nil
    lastMeasured = (stage, plain)
    if !isQuantized, floatLoss[Self.subject(stage)] == nil, let loss = plain["loss"] {
      floatLoss[Self.subject(stage)] = loss
    }
  }

  /// The figures, and for a quantized model how far the loss lies above the float model's on the
  /// same data. On text that the float model sampled itself this is the divergence between them.
  func compared(_ stage: EvaluateStage, _ figures: [String: Double]) -> [String: Double] {
    guard isQuantized, let float = floatLoss[Self.subject(stage)], let loss = figures["loss"] else {
      return figures
    }
    return figures.merging(["loss_above_float": loss - float]) { old, _ in old }
  }

  private static func subject(_ stage: EvaluateStage) -> String {
    "\(stage.limit ?? 0)/\(stage.length ?? 0)"
  }

  // MARK: Seeds and folders

  /// Every stage draws its own random numbers.
  func seed(ofStage index: Int) -> UInt64 {
    UInt64(context.recipe.seed) &* 1_000_003 &+ UInt64(index)
  }

  func folder(of place: StagePlace) -> URL {
    let trainings = context.recipe.stages.filter { $0.trains }.count
    let folder = context.folder.folder(
      ofStage: place.index, isOnly: trainings == 1 && place.rung == nil)
    return place.rung.map { folder.appending(path: "rung-\($0 + 1)") } ?? folder
  }

  // MARK: Reporting

  private func writeReport() throws {
    var curves: [(label: String, points: [(step: Int, loss: Double)])] = []
    for (index, stage) in context.recipe.stages.enumerated() {
      for (place, label) in stage.walks(at: index) {
        let file = folder(of: place).appending(path: "metrics.jsonl")
        curves.append((label, LossCurve.points(of: file)))
      }
    }
    let page = HTMLReport(
      results: results, recipe: context.recipe.yaml, curves: curves,
      pictures: context.folder.readPictures())
    try AtomicFile.write(page.text, to: context.folder.report)
  }

  private static func label(of stage: StageRecipe) -> String {
    switch stage {
    case .calibrate(let stage): stage.label
    case .compare(let stage): stage.label
    case .evaluate(let stage), .round(let stage): stage.label
    case .train(let stage): stage.label
    case .rotate(let stage): stage.label
    case .ladder(let stage): stage.label
    case .gptq(let stage): stage.label
    case .outliers(let stage): stage.label
    case .export(let stage): stage.format
    }
  }
}
