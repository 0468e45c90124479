public import GyroTensors

/// The range of a batch norm's output from its parameters alone (1906.04721 §4.2.2): channel i is
/// normal with mean βᵢ and deviation |γᵢ|, so no data are needed.
public enum BatchNormRange {
  /// `min(β − α|γ|) … max(β + α|γ|)` over all channels.
  /// - Parameters:
  ///   - scale: γ, `[channels]`.
  ///   - shift: β, `[channels]`.
  ///   - isRectified: whether a rectifier follows, which leaves nothing below zero.
  /// - Throws: `RangeError.empty` or `.notFinite`, or `.alpha`.
  public static func range(
    scale: Tensor, shift: Tensor, alpha: Float = 6, isRectified: Bool = false,
    site: String = "batch norm"
  ) throws(RangeError) -> ClosedRange<Float> {
    let channels = try channelRanges(
      scale: scale, shift: shift, alpha: alpha, isRectified: isRectified, site: site)
    let low = channels.map(\.lowerBound).min() ?? 0
    let high = channels.map(\.upperBound).max() ?? 0
    return low...high
  }

  /// The same for each channel on its own.
  public static func channelRanges(
    scale: Tensor, shift: Tensor, alpha: Float = 6, isRectified: Bool = false,
    site: String = "batch norm"
  ) throws(RangeError) -> [ClosedRange<Float>] {
    precondition(
      scale.count == shift.count, "BatchNormRange: γ \(scale.shape) and β \(shift.shape) differ")
    try RangeMethod.batchNorm(alpha: alpha).validate()
    guard scale.count > 0 else { throw .empty(site: site) }
    guard scale.allFinite, shift.allFinite else { throw .notFinite(site: site) }
    return zip(scale.elements, shift.elements).map { gamma, beta in
      let low = beta - alpha * abs(gamma), high = beta + alpha * abs(gamma)
      return isRectified ? 0...max(high, 0) : low...high
    }
  }
}
