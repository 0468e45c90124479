import GyroAutodiff
public import GyroTensors

/// An estimator that learns nothing about the range: its scales are found once and kept, or follow
/// the data where there are none.
public protocol StaticRangeEstimator: GradientEstimator {}

extension StaticRangeEstimator {
  public func stateNames(_ quantizer: Quantizer) -> [String] { StaticScales.names(quantizer) }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] { StaticScales.states(scales, quantizer) }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? {
    StaticScales.scales(state, quantizer)
  }

  public func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float? {
    scales(quantizer, state) == nil ? quantizer.tensorScale(covering: x) : nil
  }

  /// The scales that were kept; those that cover the data when none were.
  func scales(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Variable]
  ) throws(NotFiniteRow) -> GroupScales {
    if let kept = scales(quantizer, state.values) { return kept }
    return try quantizer.scales(covering: x)
  }
}
