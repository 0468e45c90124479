public import GyroAutodiff
public import GyroTensors

/// Learned step and offset (LSQ+, 2004.09576): x̂ = round(clamp((x − β)/s, n, p))·s + β, with LSQ's
/// gradient for s, and ∂x̂/∂β = 0 inside, 1 outside.
///
/// An asymmetric quantizer learns both. The offset in use is β moved to the nearest multiple of s
/// that a zero point can express, so that zero stays exact and any integer runtime computes what was
/// trained; the paper adds a real β. A symmetric quantizer learns s alone and differs from LSQ by
/// its first value, `max(|μ − 3σ|, |μ + 3σ|) / 2^(b−1)`; the asymmetric start is the range method's.
/// LSQ's factor applies to both gradients. States: `scale` and `offset`, trained.
public struct LearnedStepAndOffset: GradientEstimator {
  public let gradientScale: StepGradientScale
  public let role: EstimatorRole
  static let offset = "offset"

  public var name: String { "lsq+" }
  public var learnedScale: String? { StaticScales.scale }

  public init(role: EstimatorRole = .weight, gradientScale: StepGradientScale = .paper) {
    self.role = role
    self.gradientScale = gradientScale
  }

  public func stateNames(_ quantizer: Quantizer) -> [String] {
    StaticScales.names(quantizer).map { $0 == StaticScales.zeroPoint ? Self.offset : $0 }
  }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireFixedGroups(for: name)
    let steps = quantizer.isSymmetric ? quantizer.threeSigmaSteps(sample) : scales.scales.elements
    let offsets = scales.zeroPoints.map { zip($0.elements, steps).map { -$0 * $1 } } ?? []
    return StaticScales.states(scales, quantizer).map { state in
      switch state.name {
      case StaticScales.scale:
        EstimatorState(state.name, LearnedRange.initial(steps), isTrained: true)
      case StaticScales.zeroPoint:
        EstimatorState(
          Self.offset, Tensor([offsets.count], elements: offsets), isTrained: true)
      default: state
      }
    }
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = requiredScales(quantizer, state)
    let factor = gradientScale.factor(
      x.shape, groups: quantizer.groups(of: x.shape).groups, largest: quantizer.span, role)
    let step = state[StaticScales.scale]!
    guard let zeroPoints = scales.zeroPoints?.elements else {
      return try quantizer.quantize(x, with: scales, states: [step]) { sums in
        [sums.scale.map { factor * $0 }]
      }
    }
    return try quantizer.quantize(x, with: scales, states: [step, state[Self.offset]!]) { sums in
      [
        sums.scaleFromLowest(zeroPoints).map { factor * $0 },
        sums.outside.map { factor * $0 },
      ]
    }
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    guard var scales = StaticScales.scales(state, quantizer) else { return nil }
    scales.scales = quantizer.stored(scales.scales, tensorScale: scales.tensorScale)
    guard let offsets = state[Self.offset], !quantizer.isSymmetric else { return scales }
    let zeroPoints = zip(offsets.elements, scales.scales.elements).map { offset, scale in
      // Adding zero: a zero point is never −0.
      min(max((-offset / scale).rounded(.toNearestOrEven), 0), quantizer.span) + 0
    }
    scales.zeroPoints = Tensor([zeroPoints.count], elements: zeroPoints)
    return scales
  }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, StaticScales.scale)
    LearnedRange.constrain(
      &state, Self.offset, to: -LearnedRange.scales.upperBound...0, fallback: 0)
  }
}

extension RangeSums {
  /// ∂/∂scale of a grid that grows from its lowest value, which stays where it is: codes count from
  /// 0, so what is clipped below says nothing (LSQ+; range learning by minimum and maximum).
  func scaleFromLowest(_ zeroPoints: [Float]) -> [Float] {
    zip(zip(scale, outside), zeroPoints).map { sums, zeroPoint in sums.0 + zeroPoint * sums.1 }
  }
}

extension Quantizer {
  /// `max(|μ − 3σ|, |μ + 3σ|)` over the number of steps on one side (2004.09576 §3.3).
  func threeSigmaSteps(_ x: Tensor) -> [Float] {
    let layout = groups(of: x.shape)
    let steps = format.arithmetic == .integers ? format.largest + 1 : format.largest
    let elements = granularity.gathered(x).elements
    return (0..<layout.groups).map { group in
      let values = elements[group * layout.length..<(group + 1) * layout.length]
      let mean = values.reduce(0) { $0 + Double($1) } / Double(layout.length)
      let variance = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
      let deviation = (variance / Double(layout.length)).squareRoot()
      return Float(max(abs(mean - 3 * deviation), abs(mean + 3 * deviation))) / steps
    }
  }
}
