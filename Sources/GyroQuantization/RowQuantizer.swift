import CGyroKernels
public import GyroModels
public import GyroTensors

/// Symmetric int8 with one scale per row: `scale = max|x| / 127`, `code = x / scale` rounded half to
/// even. A row of zeros has scale 1 and codes 0. The grid always covers the whole row, so nothing
/// is clipped and the straight-through gradient is the identity (2106.08295 §4.1).
public enum RowQuantizer {
  /// The tensor on its grid, one scale per row of the last axis.
  /// - Throws: `NotFiniteRow` naming the first row that holds a NaN or an infinity.
  public static func quantize(rowsOf tensor: Tensor) throws(NotFiniteRow) -> Tensor {
    try quantize(tensor, rows: tensor.shape.rows)
  }

  /// The tensor on a grid of `rows` equal runs of elements, one scale each.
  public static func quantize(_ tensor: Tensor, rows: Int) throws(NotFiniteRow) -> Tensor {
    let columns = rows == 0 ? 0 : tensor.count / rows
    let grid = IntegerGrid(uninitializedRows: rows, columns: columns)
    let bad = tensor.withElements {
      gyro_quantize_rows_int8(
        $0, Int64(rows), Int64(columns), grid.codePointer, grid.scalePointer)
    }
    if bad != 0 { throw NotFiniteRow(row: Int(bad) - 1) }
    return Tensor(tensor.shape, on: grid)
  }
}

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
