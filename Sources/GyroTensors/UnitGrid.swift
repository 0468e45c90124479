import CGyroKernels

/// The bfloat16 numbers ("units") behind a tensor that lies on the grid of a small number format:
/// `value[row, column] = units[row, column] · scale[row]`, rounded once.
///
/// The numbers of every format of up to eight bits are exact in bfloat16: FP8's, FP4's, whole numbers
/// around a zero point. So are they times a power of two or an E4M3 number, so that the scales of
/// small groups (MX, NVFP4) are part of the units. A product of two such tensors is then one
/// product of bfloat16 matrices with exact products, times two scales.
public struct UnitGrid: EncodedElements {
  /// Number of rows and columns.
  public let rows: Int, columns: Int
  /// `rows × columns` bfloat16 bit patterns: the upper half of a Float32's bits.
  public let patterns: PooledBuffer
  /// `rows` Float32 scales, all positive.
  public let scales: PooledBuffer

  /// Uninitialized units and scales, to be filled by a kernel.
  public init(uninitializedRows rows: Int, columns: Int) {
    self.init(
      rows: rows, columns: columns,
      patterns: PooledBuffer(byteCount: rows * columns * MemoryLayout<UInt16>.size))
  }

  private init(rows: Int, columns: Int, patterns: PooledBuffer) {
    self.rows = rows
    self.columns = columns
    self.patterns = patterns
    scales = PooledBuffer(byteCount: rows * MemoryLayout<Float>.size)
  }

  /// The units of `values`, row-major, with a scale for each row (1 when there are none); nil when a
  /// value is not `unit · scale` of some unit.
  public init?(values: Tensor, rowScales: [Float]? = nil) {
    let rows = rowScales?.count ?? values.shape.rows
    precondition(
      rows > 0 ? values.count.isMultiple(of: rows) : values.count == 0,
      "UnitGrid: \(values.count) values do not make \(rows) rows")
    self.init(uninitializedRows: rows, columns: rows == 0 ? 0 : values.count / rows)
    for row in 0..<rows { scalePointer[row] = rowScales?[row] ?? 1 }
    let inexact = values.withElements {
      gyro_units_from_values(
        $0, Int64(rows), Int64(columns), rowScales == nil ? nil : scalePointer, unitPointer)
    }
    if inexact != 0 { return nil }
  }

  /// The same units in shorter rows, each with the scale of the row it was cut from; nil when
  /// `columns` do not divide a row.
  func cut(toColumns shorter: Int) -> UnitGrid? {
    if shorter == columns { return self }
    guard shorter > 0, columns.isMultiple(of: shorter) else { return nil }
    let pieces = columns / shorter
    let result = UnitGrid(rows: rows * pieces, columns: shorter, patterns: patterns)
    for row in 0..<rows {
      (result.scalePointer + row * pieces).update(repeating: scalePointer[row], count: pieces)
    }
    return result
  }

  /// The units as a typed pointer, valid while the grid lives.
  public var unitPointer: UnsafeMutablePointer<UInt16> {
    patterns.pointer.assumingMemoryBound(to: UInt16.self)
  }

  /// The scales as a typed pointer, valid while the grid lives.
  public var scalePointer: UnsafeMutablePointer<Float> {
    scales.pointer.assumingMemoryBound(to: Float.self)
  }

  /// All units, row-major, as numbers.
  public var unitArray: [Float] {
    UnsafeBufferPointer(start: unitPointer, count: rows * columns).map {
      Float(bitPattern: UInt32($0) << 16)
    }
  }

  /// All scales.
  public var scaleArray: [Float] { Array(UnsafeBufferPointer(start: scalePointer, count: rows)) }

  /// This grid.
  public var units: UnitGrid? { self }

  /// `rows · columns`.
  public var count: Int { rows * columns }

  /// Writes `units · scale` to `destination`.
  public func decode(into destination: UnsafeMutablePointer<Float>) {
    gyro_values_of_units(unitPointer, scalePointer, Int64(rows), Int64(columns), destination)
  }
}

extension Tensor {
  /// The bfloat16 units, when this tensor lies on a grid of them, with one scale for each row of the
  /// last axis. Rows cut from a longer row of the grid share its scale.
  public var units: UnitGrid? { encoded?.units?.cut(toColumns: shape.columns) }
}
