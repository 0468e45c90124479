public import GyroAutodiff
public import GyroTensors

/// Trained ternary quantization (TTQ, 1612.01064 §3): `W_p` where x > Δ, `−W_n` where x < −Δ and 0
/// between, with `Δ = t · max|x|` and both levels learned. `dW_p = Σ c` over the positive,
/// `dW_n = −Σ c` over the negative; dx is c times W_p, 1 or W_n.
///
/// One pair for a tensor, under the format `ternary`; what ships is a codebook of its own, `−W_n/W_p`,
/// 0 and 1, with the scale W_p. States: `positive` and `negative`, trained; both start at the mean
/// magnitude of what is kept.
public struct TrainedTernary: GradientEstimator {
  /// t.
  public let threshold: Float
  static let positive = "positive", negative = "negative"

  public var name: String { "ttq" }

  /// - Precondition: `threshold` in [0, 1).
  public init(threshold: Float = 0.05) {
    precondition((0..<1).contains(threshold), "TrainedTernary: no threshold of \(threshold)")
    self.threshold = threshold
  }

  public func stateNames(_ quantizer: Quantizer) -> [String] { [Self.positive, Self.negative] }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    guard quantizer.format as? Codebook == .ternary, quantizer.granularity == .tensor else {
      throw .estimator(
        name,
        problem: "learns two levels for a whole tensor, not \(quantizer.format.name) per "
          + "\(quantizer.granularity)", advice: "use format ternary with granularity tensor")
    }
    let edge = threshold * sample.maximumMagnitude
    let kept = quantizer.mapGroups(sample) { x, _ in x.magnitude > edge ? x.magnitude : 0 }
    let level = LearnedRange.initial(quantizer.meanOfPositive(kept))
    return [
      EstimatorState(Self.positive, level, isTrained: true),
      EstimatorState(Self.negative, level, isTrained: true),
    ]
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    _ = requiredScales(quantizer, state)
    let (shipped, scales, snapped) = try onGrid(x.value, quantizer, state.values)
    let op = TrainedTernaryOp(quantizer: shipped, threshold: threshold)
    return .apply(
      op, to: x, Variable(constant: try shipped.projected(snapped, with: scales)),
      state[Self.positive]!, state[Self.negative]!)
  }

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    let (shipped, scales, snapped) = try onGrid(x, quantizer, state)
    return try shipped.quantized(snapped, with: scales)
  }

  private func onGrid(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> (Quantizer, GroupScales, Tensor) {
    try quantizer.requireFinite(x)
    let scale = quantizer.stored(state[Self.positive]!)
    let ratio = state[Self.negative]!.item / scale.item
    let shipped = quantizer.with(Codebook(name: "ttq", levels: [-ratio, 0, 1]))
    let edge = threshold * x.maximumMagnitude, step = scale.item
    let snapped = shipped.mapGroups(x) { x, _ in x > edge ? step : x < -edge ? -ratio * step : 0 }
    return (shipped, GroupScales(scales: scale), snapped)
  }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    state[Self.positive].map { GroupScales(scales: quantizer.stored($0)) }
  }

  /// Within 2^±30, so that the ratio of the levels is a Float32 as well.
  public func constrain(_ state: inout [String: Tensor]) {
    for name in [Self.positive, Self.negative] {
      LearnedRange.constrain(&state, name, to: 0x1p-30...0x1p+30, fallback: 0x1p-30)
    }
  }
}

struct TrainedTernaryOp: Op {
  let quantizer: Quantizer
  let threshold: Float

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Tensor]) {
    (inputs[1], [inputs[0], inputs[2], inputs[3]])
  }

  func pullback(_ cotangent: Tensor, _ saved: [Tensor], needs: [Bool]) -> [Tensor?] {
    let (x, positive, negative) = (saved[0], saved[1].item, saved[2].item)
    let edge = threshold * x.maximumMagnitude
    func sum(_ chosen: (Float) -> Bool) -> Double {
      quantizer.mapGroups(x, cotangent) { x, c, _ in chosen(x) ? c : 0 }.preciseSum()
    }
    return [
      needs[0]
        ? quantizer.mapGroups(x, cotangent) { x, c, _ in
          x > edge ? positive * c : x < -edge ? negative * c : c
        } : nil,
      nil,
      needs[2] ? Tensor([1], elements: [Float(sum { $0 > edge })]) : nil,
      needs[3] ? Tensor([1], elements: [-Float(sum { $0 < -edge })]) : nil,
    ]
  }
}
