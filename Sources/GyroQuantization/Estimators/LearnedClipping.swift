public import GyroAutodiff
public import GyroTensors

/// A range that follows the data, shrunk by a learned share: the scale of each group is `r` times the
/// one that covers it, with one `r` for the whole weight or site (learned weight clipping, OmniQuant,
/// 2308.13137 §3.2; learned activation clipping, FlatQuant, 2410.09426 §3.2, without their sigmoid).
/// At three or four bits the largest of a token's values cost more than they are worth.
///
/// The zero point does not depend on `r`, because minimum and width shrink together. The gradient of
/// `r` is that of the scale (1902.08153 §2.1), summed over the groups; elements that are clipped get
/// none. State: `clip`, trained, one number.
public struct LearnedClipping: GradientEstimator {
  /// Where `r` starts.
  public let initial: Float

  public var name: String { "clip" }
  public var followsData: Bool { true }

  static let state = "clip"
  static let range: ClosedRange<Float> = 0.05...1.5

  /// - Precondition: `initial` lies in 0.05…1.5.
  public init(initial: Float = 1) {
    precondition(Self.range.contains(initial), "LearnedClipping: a share of \(initial)")
    self.initial = initial
  }

  public func stateNames(_ quantizer: Quantizer) -> [String] { [Self.state] }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    [EstimatorState(Self.state, Tensor([1], elements: [initial]), isTrained: true)]
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = try clipped(x.value, quantizer, state.values)
    let share = state[Self.state]!
    let steps = scales.scales.elements
    let r = share.value.item
    return try quantizer.quantize(
      x, with: scales, states: [share], slack: quantizer.halfStep
    ) { sums in
      let total = zip(sums.scale, steps).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      return [[Float(total) / r]]
    }
  }

  public func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float? { quantizer.tensorScale(covering: x) }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, Self.state, to: Self.range, fallback: 1)
  }

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    try quantizer.quantized(x, with: try clipped(x, quantizer, state))
  }

  /// The scales of the data, shrunk and rounded to the type that scales are stored in.
  private func clipped(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> GroupScales {
    var scales = try quantizer.scales(covering: x)
    let shrunk = scales.scales * (state[Self.state]?.item ?? initial)
    scales.scales = quantizer.stored(shrunk, tensorScale: scales.tensorScale)
    return scales
  }
}
