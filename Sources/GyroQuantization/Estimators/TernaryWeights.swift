public import GyroAutodiff
public import GyroTensors

/// Ternary weight networks (TWN, 1605.04711 §2): `x̂ = α sign(x)` where |x| > Δ and 0 elsewhere, with
/// `Δ = 0.7 · mean|x|` and α the mean magnitude of what is kept, group by group. The gradient passes
/// unchanged. Any format that has −1, 0 and 1 will do.
public struct TernaryWeights: GradientEstimator {
  /// Δ over the mean magnitude.
  static let threshold: Float = 0.7

  public var name: String { "twn" }

  public init() {}

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireValues([-1, 0, 1], for: name, instead: "ternary or int2")
    return []
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let (values, scales) = try onGrid(x.value, quantizer)
    return x.standingFor(try quantizer.projected(values, with: scales))
  }

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    let (values, scales) = try onGrid(x, quantizer)
    return try quantizer.quantized(values, with: scales)
  }

  private func onGrid(
    _ x: Tensor, _ quantizer: Quantizer
  ) throws(NotFiniteRow) -> (Tensor, GroupScales) {
    try quantizer.requireFinite(x)
    let thresholds = quantizer.meanMagnitudes(x).map { Self.threshold * $0 }
    let kept = quantizer.mapGroups(x, with: thresholds) { x, threshold in
      x.magnitude > threshold ? x : 0
    }
    let means = quantizer.meanOfPositive(kept.magnitude())
    let steps = quantizer.stored(LearnedRange.initial(means))
    let snapped = quantizer.mapGroups(kept, with: steps.elements) { x, step in
      x > 0 ? step : x < 0 ? -step : 0
    }
    return (snapped, GroupScales(scales: steps))
  }
}

extension Quantizer {
  /// The mean of what is above zero in each group of a tensor without negative elements.
  func meanOfPositive(_ x: Tensor) -> [Float] {
    let layout = groups(of: x.shape)
    let counts = mapGroups(x) { x, _ in x > 0 ? 1 : 0 }
    func means(_ x: Tensor) -> [Float] {
      granularity.gathered(x).reshaped([layout.groups, layout.length]).mean(axes: [1]).elements
    }
    return zip(means(x), means(counts)).map { $1 > 0 ? $0 / $1 : 0 }
  }
}
