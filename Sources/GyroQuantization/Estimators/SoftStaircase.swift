import Glibc
public import GyroAutodiff
public import GyroTensors

/// The forward pass rounds; the backward pass follows a staircase of sigmoids (1908.05033 §3.1,
/// 2103.13630 §III-H), steepest halfway between two values. With a the distance of x/s from its code,
/// `dx = c · k σ′(k(a − ½)) / (σ(k/2) − σ(−k/2))` inside the range, which averages to c over a step,
/// and 0 outside. As k → 0 it is the clipped straight-through estimator.
///
/// Whole numbers only; scales as in `ClippedStraightThrough`.
public struct SoftStaircase: StaticRangeEstimator {
  /// k.
  public let steepness: Float

  public var name: String { "sigmoid" }

  /// - Precondition: `steepness` is positive.
  public init(steepness: Float = 4) {
    precondition(steepness > 0, "SoftStaircase: a steepness of \(steepness)")
    self.steepness = steepness
  }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] {
    guard quantizer.format.arithmetic == .integers else {
      throw .estimator(
        name, problem: "needs even steps, which \(quantizer.format.name) has not",
        advice: "use int2…int8, or the estimator clipped")
    }
    return StaticScales.states(scales, quantizer)
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = try scales(of: x.value, quantizer, state)
    let value = try quantizer.projected(x.value, with: scales)
    let op = SoftStaircaseOp(quantizer: quantizer, scales: scales, steepness: steepness)
    return .apply(op, to: x, Variable(constant: value))
  }
}

struct SoftStaircaseOp: Op {
  let quantizer: Quantizer
  let scales: GroupScales
  let steepness: Float

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) { (inputs[1], inputs[0]) }

  func pullback(_ cotangent: Tensor, _ x: Tensor, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil, nil] }
    let distance = quantizer.mapGroups(x, with: scales.scales.elements) { x, step in
      (x / step - (x / step).rounded(.toNearestOrEven)).magnitude
    }
    let sigmoid = (steepness * (distance - 0.5)).sigmoid()
    let rise = tanhf(steepness / 4)  // σ(k/2) − σ(−k/2)
    let slope = (sigmoid * (1 - sigmoid)) * (steepness / rise)
    let (gradient, _) = quantizer.rangeGradient(
      x, cotangent * slope, scales, slack: quantizer.halfStep, errorWeight: 0, needsX: true,
      needsSums: false)
    return [gradient, nil]
  }
}
