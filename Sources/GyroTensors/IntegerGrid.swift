import CGyroKernels

/// The integer codes behind a tensor that lies on a symmetric int8 grid:
/// `value[row, column] = codes[row, column] · scale[row]`.
///
/// Rows are all axes but the last. Weights `[out, in]` have one scale per output channel,
/// activations `[…, features]` one per token; both are one scale per row, so a product
/// `x · wᵀ` of two such tensors is an exact integer product times two scales.
public struct IntegerGrid: Sendable {
  /// Number of rows and columns.
  public let rows: Int, columns: Int
  /// `rows × columns` signed bytes.
  public let codes: PooledBuffer
  /// `rows` Float32 scales, all positive.
  public let scales: PooledBuffer

  /// Uninitialised codes and scales, to be filled by a kernel.
  public init(uninitializedRows rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    codes = PooledBuffer(byteCount: rows * columns)
    scales = PooledBuffer(byteCount: rows * MemoryLayout<Float>.size)
  }

  /// The codes as a typed pointer, valid while the grid lives.
  public var codePointer: UnsafeMutablePointer<Int8> {
    codes.pointer.assumingMemoryBound(to: Int8.self)
  }

  /// The scales as a typed pointer, valid while the grid lives.
  public var scalePointer: UnsafeMutablePointer<Float> {
    scales.pointer.assumingMemoryBound(to: Float.self)
  }

  /// All codes, row-major.
  public var codeArray: [Int8] {
    Array(UnsafeBufferPointer(start: codePointer, count: rows * columns))
  }

  /// All scales.
  public var scaleArray: [Float] { Array(UnsafeBufferPointer(start: scalePointer, count: rows)) }

  /// Writes `codes · scale` to `destination`.
  func decode(into destination: UnsafeMutablePointer<Float>) {
    gyro_dequantize_rows_int8(codePointer, scalePointer, Int64(rows), Int64(columns), destination)
  }
}
