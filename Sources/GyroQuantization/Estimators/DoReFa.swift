public import GyroAutodiff
public import GyroTensors

/// DoReFa-Net (1606.06160 §2.3). Weights, under a signed format, are brought to [−1, 1] by
/// `tanh w / max|tanh w|` and quantized there; activations, under an unsigned one, are clipped to
/// [0, 1]. The gradient passes the rounding as it is and follows everything else.
///
/// The scale is `1 / largest`. The paper's weights, `2 round((2^k − 1) r) / (2^k − 1) − 1`, have no
/// zero: they are the format `DoReFa.grid(bits: k)`. Integers, which have one, run on integer products.
public struct DoReFa: GradientEstimator {
  public var name: String { "dorefa" }
  public var roundsWeightsAsTheyAre: Bool { false }

  public init() {}

  /// The paper's 2^k weights: the odd numbers from −(2^k − 1) to 2^k − 1.
  /// - Precondition: k in 1…8.
  public static func grid(bits: Int) -> Codebook {
    precondition((1...8).contains(bits), "DoReFa: \(bits) bits; there are 1 to 8")
    let last = (1 << bits) - 1
    return Codebook(
      name: "odd\(bits)", levels: stride(from: -last, through: last, by: 2).map(Float.init))
  }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireSymmetric(for: name, instead: "lsq+ or learned-range")
    return []
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = unitScales(quantizer, x.shape)
    guard quantizer.format.isSigned else { return try quantizer.quantize(x, with: scales) }
    try quantizer.requireFinite(x.value)
    let unit = Variable.apply(NormalizedTanhOp(), to: x)
    return unit.standingFor(try quantizer.projected(unit.value, with: scales))
  }

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    let scales = unitScales(quantizer, x.shape)
    guard quantizer.format.isSigned else { return try quantizer.quantized(x, with: scales) }
    try quantizer.requireFinite(x)
    return try quantizer.quantized(NormalizedTanhOp().forward([x]).output, with: scales)
  }

  private func unitScales(_ quantizer: Quantizer, _ shape: Shape) -> GroupScales {
    quantizer.scales(
      ranges: [ClosedRange<Float>](repeating: -1...1, count: quantizer.groups(of: shape).groups))
  }
}

/// `y = tanh x / max|tanh x|`; with h = tanh x and j where |h| is largest,
/// `dx = (1 − h²) · (c / |h_j| − [at j] sign(h_j) Σ c h / h_j²)`.
struct NormalizedTanhOp: Op {
  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
    let tanh = inputs[0].tanh()
    return (tanh / max(tanh.maximumMagnitude, .leastNormalMagnitude), tanh)
  }

  func pullback(_ cotangent: Tensor, _ tanh: Tensor, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let largest = max(tanh.maximumMagnitude, .leastNormalMagnitude)
    var gradient = cotangent / largest
    let overlap = Float(cotangent.dot(tanh) / Double(largest) / Double(largest))
    let count = tanh.count
    tanh.withElements { tanh in
      guard let place = (0..<count).first(where: { tanh[$0].magnitude == largest }) else { return }
      gradient.withMutableElements { $0[place] -= tanh[place] < 0 ? -overlap : overlap }
    }
    return [gradient * (1 - tanh.squared())]
  }
}

extension Quantizer {
  /// Finds what a later step would hide, a squashing function or a sign.
  func requireFinite(_ x: Tensor) throws(NotFiniteRow) {
    if !x.allFinite { _ = try scales(covering: x) }
  }
}
