import GyroModels
import GyroQuantization

/// Stages that turn quantization on: calibration, and comparisons of schemes.
extension StageRunner {
  mutating func calibrate(_ stage: CalibrateStage) throws -> ExperimentResults.Stage {
    isPreparationStale = true
    isQuantized = false
    try turn(quantized: true, calibrating: stage)
    let sites = plan!.staticSites.count
    return ExperimentResults.Stage(
      kind: "calibrate", label: stage.label, quantized: true,
      figures: ["sites": Double(sites), "batches": Double(sites > 0 ? stage.batches : 0)],
      seconds: 0)
  }

  /// Finds the ranges that are found once and the starts of what is learned.
  func prepare(
    _ plan: QuantizationPlan, _ parameters: inout ParameterStore, _ stage: CalibrateStage
  ) throws {
    guard plan.needsCalibration else { return try plan.prepare(&parameters) }
    var calibration = try Calibration(for: plan)
    let batches = try task.batches(for: stage, seed: UInt64(context.recipe.seed) &+ 0xca11)
    for index in 0..<stage.batches {
      let pass = ForwardPass(
        parameters, mode: .calibration, instrumentation: calibration.probe,
        precision: context.recipe.precision)
      _ = task.scores(batches(index), pass)
      try calibration.absorb(pass.statistics)
      try context.working(stage.label, index + 1, stage.batches)
    }
    try plan.prepare(&parameters, with: calibration)
  }

  /// Rounds the float model under each scheme and measures it.
  func compare(_ stage: CompareStage) throws -> ExperimentResults.Stage {
    let subject = EvaluateStage(
      label: stage.label, quantized: nil, limit: stage.limit, length: stage.length)
    var result = ExperimentResults.Stage(
      kind: "compare", label: stage.label, quantized: true, figures: [:], seconds: 0)
    result.parts = []
    for candidate in stage.schemes {
      let plan = try QuantizationPlan(candidate.scheme, for: task.initial)
      let float =
        isQuantized ? teacher : FloatModel(parameters: parameters, instrumentation: online)
      var prepared = float.parameters
      unrotatedPlan?.forget(&prepared)
      try prepare(plan, &prepared, CalibrateStage(label: candidate.name))
      let arithmetic = Arithmetic(
        instrumentation: plan, precision: context.recipe.precision, teacher: float)
      let found = try task.evaluate(try plan.frozen(prepared), subject, arithmetic) {
        try context.working(candidate.name, $0, $1)
      }
      result.parts!.append(
        ExperimentResults.Stage(
          kind: "compare", label: candidate.name, quantized: true,
          figures: compared(subject, found), seconds: 0))
    }
    return result
  }
}
