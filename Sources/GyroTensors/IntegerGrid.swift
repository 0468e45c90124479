import CGyroKernels

/// The integer codes behind a tensor that lies on a symmetric int8 grid:
/// `value[row, column] = codes[row, column] · scale[row]`.
///
/// Rows are all axes but the last. Weights `[out, in]` have one scale per output channel,
/// activations `[…, features]` one per token; both are one scale per row, so a product
/// `x · wᵀ` of two such tensors is an exact integer product times two scales.
public struct IntegerGrid: EncodedElements {
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

  /// The same codes in shorter rows, each with the scale of the row it was cut from; nil when
  /// `columns` do not divide a row.
  func cut(toColumns shorter: Int) -> IntegerGrid? {
    if shorter == columns { return self }
    guard shorter > 0, columns.isMultiple(of: shorter) else { return nil }
    let pieces = columns / shorter
    let result = IntegerGrid(rows: rows * pieces, columns: shorter, codes: codes)
    for row in 0..<rows {
      (result.scalePointer + row * pieces).update(repeating: scalePointer[row], count: pieces)
    }
    return result
  }

  private init(rows: Int, columns: Int, codes: PooledBuffer) {
    self.rows = rows
    self.columns = columns
    self.codes = codes
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

  /// `rows · columns`.
  public var count: Int { rows * columns }

  /// Writes `codes · scale` to `destination`.
  public func decode(into destination: UnsafeMutablePointer<Float>) {
    gyro_dequantize_rows_int8(codePointer, scalePointer, Int64(rows), Int64(columns), destination)
  }
}
