import Glibc
public import GyroAutodiff
public import GyroTensors

/// A small float whose largest value c and number of mantissa bits M are learned (2208.09225 §4):
/// every code is a number, a real-valued bias `2^E − log2 c + log2(2 − 2^−M) − 1` makes c the largest,
/// and E = bits − 1 − M. The grid is that of `Minifloat.allFinite` times `c / largest`.
///
/// With the exponent of each value held fixed: ∂x̂/∂c = (x̂ − x)/c inside and ±1 outside;
/// ∂x̂/∂M = ln 2 · (x̂ − x) · (2^E ln 2 − 1 − 2^−M / (2 − 2^−M)) inside and 0 outside, straight
/// through the rounding of M. Zero needs no logarithm here and stays zero.
///
/// States: `maximum`, trained, from the range method; `mantissa_bits` `[1]`, trained unless
/// `learnsMantissa` is off, from the format. Their learning rates are an optimizer's business.
public struct FlexibleFloat: GradientEstimator {
  public let learnsMantissa: Bool
  static let maximum = "maximum", mantissaBits = "mantissa_bits"

  public var name: String { "flexible-float" }

  public init(learnsMantissa: Bool = true) { self.learnsMantissa = learnsMantissa }

  public func stateNames(_ quantizer: Quantizer) -> [String] { [Self.maximum, Self.mantissaBits] }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireFixedGroups(for: name)
    guard let format = quantizer.format as? Minifloat, format.bits >= 3 else {
      throw .estimator(
        name, problem: "learns small floats, not \(quantizer.format.name)",
        advice: "use a format such as e4m3, or another estimator")
    }
    let maxima = scales.scales.elements.map { $0 * format.largest }
    let bits = Float(min(max(format.mantissaBits, 1), format.bits - 2))
    return [
      EstimatorState(Self.maximum, LearnedRange.initial(maxima), isTrained: true),
      EstimatorState(Self.mantissaBits, Tensor([1], elements: [bits]), isTrained: learnsMantissa),
    ]
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = requiredScales(quantizer, state)
    let (maximum, bits) = (state[Self.maximum]!, state[Self.mantissaBits]!)
    let flexible = shipped(quantizer, state.values)
    let steps = scales.scales.elements
    let largest = flexible.format.largest
    let slope = Self.mantissaSlope(flexible.format, bits.value.item)
    return try flexible.quantize(x, with: scales, states: [maximum, bits]) { sums in
      let error = zip(sums.rounding, steps).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      return [sums.scale.map { $0 / largest }, [Float(error * slope)]]
    }
  }

  /// ∂x̂/∂M over (x̂ − x); 0 where M is held at an end of its range.
  private static func mantissaSlope(_ format: any NumberFormat, _ learned: Float) -> Double {
    let mantissaBits = (format as! Minifloat).mantissaBits
    guard learned.rounded(.toNearestOrEven) == Float(mantissaBits) else { return 0 }
    let codes = exp2(Double(format.bits - 1 - mantissaBits)), last = exp2(-Double(mantissaBits))
    return M_LN2 * (codes * M_LN2 - 1 - last / (2 - last))
  }

  /// The quantizer in use: M rounded, at least one bit each for mantissa and exponent.
  public func shipped(_ quantizer: Quantizer, _ state: [String: Tensor]) -> Quantizer {
    let bits = quantizer.format.bits
    let learned = state[Self.mantissaBits]!.item.rounded(.toNearestOrEven)
    let mantissaBits = Int(min(max(learned, 1), Float(bits - 2)))
    return quantizer.with(
      Minifloat.allFinite(exponentBits: bits - 1 - mantissaBits, mantissaBits: mantissaBits))
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    state[Self.maximum].map { maximum in
      shipped(quantizer, state).scales(ranges: maximum.elements.map { -$0...$0 })
    }
  }

  public func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float? { scales(quantizer, state)?.tensorScale }

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    try shipped(quantizer, state).quantized(x, with: scales(quantizer, state))
  }

  public func constrain(_ state: inout [String: Tensor]) {
    LearnedRange.constrain(&state, Self.maximum)
    LearnedRange.constrain(&state, Self.mantissaBits, to: 1...6, fallback: 3)
  }
}

extension Quantizer {
  /// The same quantizer of another, symmetric format.
  func with(_ format: any NumberFormat) -> Quantizer {
    do throws(QuantizationError) {
      return try Quantizer(format, granularity, scaleFormat: scaleFormat)
        .sharing(tensorScale: tensorScale)
    } catch {
      preconditionFailure("Quantizer: \(error)")
    }
  }
}
