import Glibc
public import GyroAutodiff
public import GyroTensors

/// Trained quantization thresholds (TQT, 1903.08066): a power-of-two scale `s = 2^⌈log2 t⌉ / 2^k`,
/// learned through `log2 t` as if there were no ceiling, with `2^k` the number of steps on one side:
/// ∂x̂/∂(log2 t) = s ln 2 · (x̄ − x/s) where the value rounds into the range, s ln 2 · x̄ outside.
///
/// State: `log2_threshold`, trained; it starts at the range method's largest value.
public struct TrainedThreshold: GradientEstimator {
  static let threshold = "log2_threshold"

  public var name: String { "tqt" }

  public init() {}

  public func stateNames(_ quantizer: Quantizer) -> [String] { [Self.threshold] }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireFixedGroups(for: name)
    try quantizer.requireSymmetric(for: name, instead: "lsq+ or learned-range")
    let thresholds = scales.scales.elements.map { scale in
      let reach = Double(scale) * Double(quantizer.format.largest)
      // Back to Float first: a reach that is a power of two must not round up to the next.
      return Float(log2(Double(Float(reach))))
    }
    return [
      EstimatorState(
        Self.threshold, Tensor([thresholds.count], elements: thresholds), isTrained: true)
    ]
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = requiredScales(quantizer, state)
    let steps = scales.scales.elements
    return try quantizer.quantize(
      x, with: scales, states: [state[Self.threshold]!], slack: quantizer.halfStep
    ) { sums in [zip(sums.scale, steps).map { $0 * $1 * Float(M_LN2) }] }
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    guard let thresholds = state[Self.threshold] else { return nil }
    let scales = thresholds.elements.map { threshold in
      Float(
        sign: .plus, exponent: Int(threshold.rounded(.up)) - quantizer.stepsExponent,
        significand: 1)
    }
    return GroupScales(scales: quantizer.stored(Tensor([scales.count], elements: scales)))
  }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, Self.threshold, to: -60...60, fallback: -60)
  }
}

extension Quantizer {
  /// k in the least 2^k that bounds the format: 7 for int8, 8 for uint8, 9 for E4M3.
  var stepsExponent: Int {
    let bound = format.arithmetic == .integers ? format.largest + 1 : format.largest
    return Int(log2(bound).rounded(.up))
  }
}
