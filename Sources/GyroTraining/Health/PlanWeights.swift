public import GyroModels
public import GyroQuantization

/// The codes of a plan's weights, for those who watch them.
public struct PlanWeights: QuantizedWeights {
  private let plan: QuantizationPlan

  public init(plan: QuantizationPlan) { self.plan = plan }

  public var quantizedWeights: [ParameterPath] { plan.watchableWeights }

  public func codes(
    of path: ParameterPath, in parameters: ParameterStore, step: Int
  ) throws -> WeightCodes? {
    try plan.codes(of: path, in: parameters, step: step).map { WeightCodes($0) }
  }

  public func learnedScale(of path: ParameterPath) -> ParameterPath? { plan.learnedScale(of: path) }
}
