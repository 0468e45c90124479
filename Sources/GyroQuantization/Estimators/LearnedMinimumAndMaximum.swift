public import GyroAutodiff
public import GyroTensors

/// Range learning by its ends: with n = 2^b − 1 steps, `s = (max − min) / n` and the zero point
/// `round(−min / s)`. What is clipped moves the end it is clipped at, ∂x̂/∂max = 1 above and
/// ∂x̂/∂min = 1 below; inside, with rounding error e = x̄ − x/s, ∂x̂/∂max = e/n = −∂x̂/∂min (2106.08295
/// §4.1). A symmetric quantizer learns the maximum alone: ∂x̂/∂max = (e inside, x̄ outside) / Q_P.
///
/// States: `maximum`, and `minimum` where there is a zero point, trained; they start at the range
/// method's. The range always contains 0.
public struct LearnedMinimumAndMaximum: GradientEstimator {
  static let minimum = "minimum", maximum = "maximum"

  public var name: String { "learned-range" }

  public init() {}

  public func stateNames(_ quantizer: Quantizer) -> [String] {
    quantizer.isSymmetric ? [Self.maximum] : [Self.minimum, Self.maximum]
  }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireFixedGroups(for: name)
    let steps = scales.scales.elements
    let zeros = scales.zeroPoints?.elements ?? steps.map { _ in 0 }
    let highs = zip(steps, zeros).map { $0 * (quantizer.span - $1) }
    let maximum = EstimatorState(
      Self.maximum, LearnedRange.initial(highs.map { max($0, LearnedRange.scales.lowerBound) }),
      isTrained: true)
    guard !quantizer.isSymmetric else { return [maximum] }
    let lows = Tensor([steps.count], elements: zip(steps, zeros).map { -$0 * $1 })
    return [EstimatorState(Self.minimum, lows, isTrained: true), maximum]
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let (scales, span) = (requiredScales(quantizer, state), quantizer.span)
    let maximum = state[Self.maximum]!
    guard let zeroPoints = scales.zeroPoints?.elements else {
      return try quantizer.quantize(x, with: scales, states: [maximum]) { sums in
        [sums.scale.map { $0 / span }]
      }
    }
    return try quantizer.quantize(x, with: scales, states: [state[Self.minimum]!, maximum]) {
      sums in
      let high = sums.scaleFromLowest(zeroPoints).map { $0 / span }
      return [zip(sums.outside, high).map { $0 - $1 }, high]
    }
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    guard let highs = state[Self.maximum]?.elements else { return nil }
    let lows = state[Self.minimum]?.elements ?? highs.map { -$0 }
    return quantizer.scales(ranges: zip(lows, highs).map { min($0, 0)...max($1, 0) })
  }

  public func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float? { scales(quantizer, state)?.tensorScale }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, Self.maximum)
    LearnedRange.constrain(
      &state, Self.minimum, to: -LearnedRange.scales.upperBound...0, fallback: 0)
  }
}
