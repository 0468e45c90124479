public import GyroAutodiff
public import GyroTensors

/// The gradient passes as if nothing had happened (1308.3432; 2106.08295 §4.1): the default. Without
/// states the range follows the data, so nothing is clipped and identity is the right mask; with
/// states the range is static, and clipped elements keep their gradient too.
public struct StraightThrough: StaticRangeEstimator {
  public var name: String { "straight-through" }

  public init() {}

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    guard let scales = scales(quantizer, state.values) else {
      return x.standingFor(try quantizer.projected(x.value))
    }
    return x.standingFor(try quantizer.projected(x.value, with: scales))
  }
}
