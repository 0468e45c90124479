import GyroModels
import GyroPostTraining
import GyroTensors

/// Rounds weights so that each makes up for the errors of those before it.
extension StageRunner {
  mutating func compensate(_ stage: GPTQStage) throws -> ExperimentResults.Stage {
    guard let configuration = task.llama else {
      throw ExperimentError.unfit(
        what: "stage '\(stage.label)'", reason: "it goes through a Llama block by block")
    }
    try turn(quantized: true)
    let method = GPTQ(
      damping: stage.damping, ordersByActivation: stage.actOrder,
      hasStaticGroups: stage.staticGroups)
    let options = CalibrationOptions(
      activations: stage.quantizedActivations ? .quantized : .float,
      correctsInputs: stage.correctsInputs, precision: context.recipe.precision)
    let outcome = try method.quantize(
      Llama(configuration, .unfilled()), parameters, under: plan!,
      calibratedOn: try windows(for: stage), options
    ) { try context.working("\(stage.label): \($0.path)", $0.weights, $0.allWeights) }
    parameters = outcome.parameters
    lastMeasured = nil
    let count = Double(max(outcome.layers.count, 1))
    return ExperimentResults.Stage(
      kind: "gptq", label: stage.label, quantized: true,
      figures: [
        "weights": Double(outcome.layers.count),
        "mean_gain": outcome.layers.reduce(0) { $0 + $1.gain } / count,
      ], seconds: 0)
  }

  /// The calibration windows, a few to a pass.
  private func windows(for stage: GPTQStage) throws -> [TokenWindow] {
    var calibrate = CalibrateStage(label: stage.label)
    calibrate.batch = min(8, stage.windows)
    calibrate.length = stage.length
    let batches = try task.batches(for: calibrate, seed: UInt64(context.recipe.seed) &+ 0x69b1)
    return (0..<(stage.windows + calibrate.batch - 1) / calibrate.batch).map { index in
      task.window(of: batches(index))
    }
  }
}
