import GyroModels
import GyroQuantization
import GyroTraining

/// The codes of a plan's weights, for those who watch them.
struct PlanWeights: QuantizedWeights {
  let plan: QuantizationPlan

  var quantizedWeights: [ParameterPath] { plan.watchableWeights }

  func codes(
    of path: ParameterPath, in parameters: ParameterStore, step: Int
  ) throws -> WeightCodes? {
    try plan.codes(of: path, in: parameters, step: step).map { WeightCodes($0) }
  }

  func learnedScale(of path: ParameterPath) -> ParameterPath? { plan.learnedScale(of: path) }
}
