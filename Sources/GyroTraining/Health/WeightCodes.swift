public import GyroModels

/// The codes of a weight as it is quantized, seen as levels: the rank of a code's value among the
/// values of its format, so that neighboring levels are neighboring values in every format.
///
/// `value = (values[level] − offset of its group) · scale of its group`
public struct WeightCodes: Sendable {
  /// One level for each element, in row-major order.
  public let levels: [UInt8]
  /// The values of the format in rising order, in units of the scale.
  public let values: [Float]
  /// One scale for each group; groups are equal runs of elements.
  public let scales: [Float]
  /// One zero point for each group; empty when there is none.
  public let offsets: [Float]

  public init(levels: [UInt8], values: [Float], scales: [Float], offsets: [Float] = []) {
    precondition(
      !scales.isEmpty && levels.count.isMultiple(of: scales.count)
        && (offsets.isEmpty || offsets.count == scales.count) && values.count <= 256
        && values.count >= 2,
      "WeightCodes: \(levels.count) levels of \(values.count) values, \(scales.count) scales and "
        + "\(offsets.count) offsets do not belong together")
    self.levels = levels
    self.values = values
    self.scales = scales
    self.offsets = offsets
  }

  /// The number of elements that share a scale.
  public var groupLength: Int { max(1, levels.count / scales.count) }
}

/// Tells the codes of quantized weights: what a quantization plan knows and a trainer does not.
public protocol QuantizedWeights: Sendable {
  /// The weights that are quantized at some step.
  var quantizedWeights: [ParameterPath] { get }
  /// The codes of a weight at a step; nil while it is not quantized.
  /// - Throws: `NumericFault` when the weight holds a value that is not finite.
  func codes(
    of path: ParameterPath, in parameters: ParameterStore, step: Int
  ) throws -> WeightCodes?
  /// The parameter that holds the weight's learned scale; nil when it has none.
  func learnedScale(of path: ParameterPath) -> ParameterPath?
}

extension QuantizedWeights {
  public func learnedScale(of path: ParameterPath) -> ParameterPath? { nil }
}
