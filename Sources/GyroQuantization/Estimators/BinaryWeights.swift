public import GyroAutodiff
public import GyroTensors

/// Binary weights with a scale (XNOR-Net, 1603.05279 §3.1): `x̂ = α sign(x)`, α the mean magnitude of
/// each group, sign(0) = 1. Signs pass the gradient of a hard tanh, 1 where |x| ≤ 1.
///
/// `xnor` follows α as well, `dx = α [|x| ≤ 1] c + sign(x) / n · Σ c sign(x)`; `bwn` takes x̂ for x,
/// `dx = [|x| ≤ 1] c` (BinaryConnect's rule, 1511.00363). Any format that has −1 and 1 will do.
public struct BinaryWeights: GradientEstimator {
  public let followsScale: Bool

  public var name: String { followsScale ? "xnor" : "bwn" }

  public init(followsScale: Bool = true) { self.followsScale = followsScale }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    try quantizer.requireValues([-1, 1], for: name, instead: "binary")
    return []
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let (signs, scales) = try onGrid(x.value, quantizer)
    let value = try quantizer.projected(signs, with: scales)
    let op = BinaryWeightsOp(quantizer: quantizer, scales: scales, followsScale: followsScale)
    return .apply(op, to: x, Variable(constant: value))
  }

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    let (signs, scales) = try onGrid(x, quantizer)
    return try quantizer.quantized(signs, with: scales)
  }

  private func onGrid(
    _ x: Tensor, _ quantizer: Quantizer
  ) throws(NotFiniteRow) -> (Tensor, GroupScales) {
    try quantizer.requireFinite(x)
    let means = quantizer.meanMagnitudes(x).map { max($0, LearnedRange.scales.lowerBound) }
    let scales = GroupScales(scales: quantizer.stored(Tensor([means.count], elements: means)))
    let steps = scales.scales.elements
    return (quantizer.mapGroups(x, with: steps) { x, step in x < 0 ? -step : step }, scales)
  }
}

struct BinaryWeightsOp: Op {
  let quantizer: Quantizer
  let scales: GroupScales
  let followsScale: Bool

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) { (inputs[1], inputs[0]) }

  func pullback(_ cotangent: Tensor, _ x: Tensor, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil, nil] }
    guard followsScale else {
      return [quantizer.mapGroups(x, cotangent) { x, c, _ in x.magnitude <= 1 ? c : 0 }, nil]
    }
    let layout = quantizer.groups(of: x.shape)
    let overlap = quantizer.mapGroups(x, cotangent) { x, c, _ in x < 0 ? -c : c }
    let means = quantizer.granularity.gathered(overlap)
      .reshaped([layout.groups, layout.length]).mean(axes: [1]).elements
    let gradient = quantizer.mapGroups(x, cotangent, with: scales.scales.elements) { x, c, step in
      x.magnitude <= 1 ? step * c : 0
    }
    let ofScale = quantizer.mapGroups(x, with: means) { x, mean in x < 0 ? -mean : mean }
    return [gradient + ofScale, nil]
  }
}

extension Quantizer {
  /// A value for each element from itself and its group's number.
  @inline(__always)
  func mapGroups(
    _ x: Tensor, with numbers: [Float] = [], _ transform: (Float, Float) -> Float
  ) -> Tensor {
    mapGroups(x, x, with: numbers) { x, _, number in transform(x, number) }
  }

  /// A value for each pair of elements of two tensors of one shape, and their group's number.
  @inline(__always)
  func mapGroups(
    _ x: Tensor, _ other: Tensor, with numbers: [Float] = [],
    _ transform: (Float, Float, Float) -> Float
  ) -> Tensor {
    let layout = groups(of: x.shape)
    let (first, second) = (granularity.gathered(x), granularity.gathered(other))
    var result = Tensor(uninitialized: x.shape)
    // Pointers are taken out of their closures, so that `transform` is inlined into the loop.
    let target = result.withMutableElements { $0 }
    withExtendedLifetime((first, second)) {
      let (a, b) = (first.withElements { $0 }, second.withElements { $0 })
      for group in 0..<layout.groups {
        let number = numbers.isEmpty ? 0 : numbers[group]
        for place in group &* layout.length..<(group &+ 1) &* layout.length {
          target[place] = transform(a[place], b[place], number)
        }
      }
    }
    return granularity.scattered(result, x.shape)
  }

  func requireValues(
    _ values: [Float], for estimator: String, instead: String
  ) throws(QuantizationError) {
    guard isSymmetric, values.allSatisfy({ format.project($0) == $0 }) else {
      let list = values.map { "\(Int($0))" }.joined(separator: ", ")
      throw .estimator(
        estimator, problem: "needs a symmetric format with the values \(list), not \(format.name)",
        advice: "use \(instead)")
    }
  }
}
