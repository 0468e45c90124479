import GyroModels
import GyroQuantization

extension StageRunner {
  /// Rounds the float model under each scheme and measures it.
  func compare(_ stage: CompareStage) throws -> ExperimentResults.Stage {
    let subject = EvaluateStage(
      label: stage.label, quantized: nil, limit: stage.limit, length: stage.length)
    var result = ExperimentResults.Stage(
      kind: "compare", label: stage.label, quantized: true, figures: [:], seconds: 0)
    result.parts = []
    for candidate in stage.schemes {
      let plan = try QuantizationPlan(candidate.scheme, for: task.initial)
      var prepared = isQuantized ? teacher : parameters
      let float = prepared
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
