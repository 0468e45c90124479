public import GyroAutodiff
public import GyroTensors

/// Parameterized clipping activation (PACT, 1805.06085): y = clip(x, 0, α), quantized on
/// `[0, α]`; ∂ŷ/∂α is 1 where x ≥ α and 0 elsewhere, ∂ŷ/∂x is 1 inside. A signed format clips to
/// `[−α, α]` likewise.
///
/// α is penalized by `decay / 2 · α²` (§3.1: the factor of the weights' decay), added to its gradient
/// here, because optimizers leave learned ranges out of weight decay. State: `clip`, trained; it
/// starts at `initial`, or where the range method puts it.
public struct ParameterizedClipping: GradientEstimator {
  public let decay: Float
  public let initial: Float?
  static let clip = "clip"

  public var name: String { "pact" }

  /// - Precondition: `decay` is not negative; `initial` is positive.
  public init(decay: Float = 1e-4, initial: Float? = nil) {
    precondition(decay >= 0, "ParameterizedClipping: a negative decay, \(decay)")
    precondition((initial ?? 1) > 0, "ParameterizedClipping: α cannot start at \(initial ?? 0)")
    self.decay = decay
    self.initial = initial
  }

  public func stateNames(_ quantizer: Quantizer) -> [String] { [Self.clip] }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireFixedGroups(for: name)
    try quantizer.requireSymmetric(for: name, instead: "lsq+ or learned-range")
    let clips = scales.scales.elements.map { initial ?? $0 * quantizer.format.largest }
    return [EstimatorState(Self.clip, LearnedRange.initial(clips), isTrained: true)]
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = requiredScales(quantizer, state)
    let clip = state[Self.clip]!, clips = clip.value.elements
    let (decay, largest) = (decay, quantizer.format.largest)
    return try quantizer.quantize(x, with: scales, states: [clip]) {
      sums in [zip(sums.saturated, clips).map { $0 / largest + decay * $1 }]
    }
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    state[Self.clip].map { quantizer.scales(ranges: $0.elements.map { -$0...$0 }) }
  }

  public func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float? { scales(quantizer, state)?.tensorScale }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, Self.clip)
  }
}
