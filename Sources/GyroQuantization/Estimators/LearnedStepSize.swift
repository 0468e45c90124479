public import GyroAutodiff
public import GyroTensors

/// Learned step size (LSQ, 1902.08153): x̄ = project(x / s), x̂ = x̄ s, and s is trained with
///
/// |               | x / s below     | inside               | above           |
/// |---------------|-----------------|----------------------|-----------------|
/// | ∂x̂/∂s         | `format.lowest` | `x̄ − x/s`            | `format.largest`|
/// | ∂x̂/∂x         | 0               | 1                    | 0               |
///
/// times a factor that keeps steps of s in proportion to those of the weights (§2.2). One step per
/// group; s starts at `2⟨|x|⟩ / √Q_P`. State: `scale`, trained.
public struct LearnedStepSize: GradientEstimator {
  public let gradientScale: StepGradientScale
  public let role: EstimatorRole
  /// δ of element-wise gradient scaling (`ClippedStraightThrough`); 0 for the paper's LSQ.
  public let scaling: Float

  public var name: String { "lsq" }
  public var learnedScale: String? { StaticScales.scale }

  public init(
    role: EstimatorRole = .weight, gradientScale: StepGradientScale = .paper, scaling: Float = 0
  ) {
    precondition(scaling >= 0, "LearnedStepSize: a negative scaling, \(scaling)")
    self.role = role
    self.gradientScale = gradientScale
    self.scaling = scaling
  }

  public func stateNames(_ quantizer: Quantizer) -> [String] { StaticScales.names(quantizer) }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireFixedGroups(for: name)
    try quantizer.requireSymmetric(for: name, instead: "lsq+")
    let root = quantizer.format.largest.squareRoot()
    let steps = quantizer.meanMagnitudes(sample).map { 2 * $0 / root }
    return [EstimatorState(StaticScales.scale, LearnedRange.initial(steps), isTrained: true)]
      + StaticScales.states(scales, quantizer).dropFirst()
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let factor = gradientScale.factor(
      x.shape, groups: quantizer.groups(of: x.shape).groups, largest: quantizer.format.largest,
      role)
    return try quantizer.quantize(
      x, with: requiredScales(quantizer, state), states: [state[StaticScales.scale]!],
      errorWeight: scaling / quantizer.width
    ) { sums in [sums.scale.map { factor * $0 }] }
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    guard var scales = StaticScales.scales(state, quantizer) else { return nil }
    scales.scales = quantizer.stored(scales.scales, tensorScale: scales.tensorScale)
    return scales
  }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, StaticScales.scale)
  }
}

/// What an estimator is attached to.
public enum EstimatorRole: String, Hashable, Sendable, CaseIterable {
  case weight, activation
}

/// The factor on the gradient of a learned step.
public enum StepGradientScale: String, Hashable, Sendable, CaseIterable {
  /// `1/√(N Q_P)`; N counts a step's weights, or the features of an activation without the batch
  /// (1902.08153 §2.2).
  case paper
  /// The same with the batch counted among the features, as the public ports do.
  case ports
  /// 1: unstable at learning rates that suit the weights.
  case none

  /// - Parameters:
  ///   - groups: how many steps the tensor has.
  ///   - largest: Q_P, the largest value in units of the step.
  public func factor(
    _ shape: Shape, groups: Int, largest: Float, _ role: EstimatorRole
  ) -> Float {
    guard self != .none, shape.count > 0 else { return 1 }
    var count = Float(shape.count) / Float(groups)
    if self == .paper, role == .activation, shape.rank > 1 { count /= Float(shape.dimensions[0]) }
    return 1 / (max(count, 1) * largest).squareRoot()
  }
}
