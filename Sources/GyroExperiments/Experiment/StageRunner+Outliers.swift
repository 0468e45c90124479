import GyroModels
import GyroQuantization
import GyroRotation

/// Gives a model the outlier channels of large ones.
extension StageRunner {
  mutating func liftOutliers(
    _ stage: OutliersStage, _ place: StagePlace?
  ) throws -> ExperimentResults.Stage {
    guard let model = task.llama, !isRotated else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'",
        reason: "outliers are given to models of the Llama family that are not rotated yet")
    }
    try turn(quantized: false)
    var calibrate = CalibrateStage(label: stage.label)
    calibrate.batch = stage.windows
    let batch = try task.batches(
      for: calibrate, seed: UInt64(context.recipe.seed) &+ 0x0a11)(0)
    let windows = task.windows(of: batch)
    let before = parameters
    let twin = try OutlierTwin(strength: stage.strength, seed: UInt64(stage.seed))
      .applied(to: model, before, calibratingOn: windows)
    parameters = twin.parameters
    isPreparationStale = true
    qualityBefore = nil
    lastMeasured = nil
    context.progress(.note("\(twin.report)"))
    var figures = ["largest_logit_difference": twin.report.logits]
    if let place { try look(stage, place, batch, before, &figures) }
    return ExperimentResults.Stage(
      kind: "outliers", label: stage.label, quantized: false, figures: figures, seconds: 0)
  }
}
