public import GyroTensors

/// The scales of a tensor's groups, and where zero lies in each.
public struct GroupScales: Sendable {
  /// `[groups]`, positive: what values are divided by.
  public var scales: Tensor
  /// `[groups]`, whole numbers from 0 to `2^bits − 1`; nil for a symmetric quantizer.
  public var zeroPoints: Tensor?
  /// 1 unless scales are stored in two levels (`ScaleFormat.e4m3`): then every scale is an E4M3
  /// number times this one, rounded once to Float32.
  public var tensorScale: Float

  public init(scales: Tensor, zeroPoints: Tensor? = nil, tensorScale: Float = 1) {
    self.scales = scales
    self.zeroPoints = zeroPoints
    self.tensorScale = tensorScale
  }
}
