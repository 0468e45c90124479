public import GyroModels

/// A row (or group) that cannot be quantized.
public struct NotFiniteRow: Error, Sendable, Equatable {
  public let row: Int
  /// The row's scale, when it is that which lies beyond the type scales are stored in; nil when the
  /// row holds a NaN or an infinity.
  public let scale: Float?

  public init(row: Int, scale: Float? = nil) {
    self.row = row
    self.scale = scale
  }

  /// The same as a fault that stops a training step.
  func fault(at path: ParameterPath) -> NumericFault {
    NumericFault(
      path: path,
      what: scale.map { "the scale \($0) of row \(row) is beyond its type," }
        ?? "a value that is not finite, in row \(row),")
  }

  /// The same as an error that names the tensor.
  public func error(at path: ParameterPath, _ scaleFormat: ScaleFormat) -> QuantizationError {
    guard let scale else { return .notFinite(path, row: row) }
    return .scaleRange(path, scale: scale, format: scaleFormat)
  }
}
