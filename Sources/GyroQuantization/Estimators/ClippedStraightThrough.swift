public import GyroAutodiff
public import GyroTensors

/// The gradient passes where the value rounds into a static range, and is zero where it is clipped:
/// the derivative of a clamp, with rounding taken for the identity (2106.08295 §4.1).
///
/// With `scaling` δ > 0 it is element-wise gradient scaling (2104.00903 §3.2), which pushes a latent
/// value on towards where its gradient leads, the harder the farther it is from its code:
/// `dx = c · (1 + δ · sign(c) · (xₙ − x_q))`, both on the range's [0, 1].
public struct ClippedStraightThrough: StaticRangeEstimator {
  /// δ.
  public let scaling: Float

  public var name: String { scaling == 0 ? "clipped" : "ewgs" }

  /// - Precondition: `scaling` is not negative.
  public init(scaling: Float = 0) {
    precondition(scaling >= 0, "ClippedStraightThrough: a negative scaling, \(scaling)")
    self.scaling = scaling
  }

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = try scales(of: x.value, quantizer, state)
    return try quantizer.quantize(
      x, with: scales, slack: quantizer.halfStep, errorWeight: scaling / quantizer.width)
  }
}

extension Quantizer {
  /// From the lowest to the largest value, in the format's units.
  var width: Float { isSymmetric ? format.largest - format.lowest : span }
}
