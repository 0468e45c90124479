import COpenBLAS

/// A matrix of Float64, for factorizations that Float32 is too coarse for: rotations that must stay
/// orthogonal to 1e-12, Hessians of second-order quantization.
public struct Matrix64: DenseMatrix, Equatable {
  public let rows: Int, columns: Int
  /// The elements in row-major order.
  public var elements: [Double]

  public var rowCount: Int { rows }
  public var columnCount: Int { columns }

  public init(rows: Int, columns: Int, elements: [Double]) {
    precondition(
      rows >= 0 && columns >= 0 && elements.count == rows * columns,
      "Matrix64: \(rows)×\(columns) does not hold \(elements.count) elements")
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  /// Zeros.
  public init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, elements: .init(repeating: 0, count: rows * columns))
  }

  /// The numbers of a Float32 matrix, unchanged.
  public init(_ tensor: Tensor) {
    self.init(
      rows: tensor.rowCount, columns: tensor.columnCount,
      elements: tensor.elements.map(Double.init))
  }

  /// Ones on the diagonal.
  public static func identity(_ size: Int) -> Matrix64 {
    var result = Matrix64(rows: size, columns: size)
    for i in 0..<size { result[i, i] = 1 }
    return result
  }

  /// The numbers rounded to Float32, shape `[rows, columns]`.
  public var tensor: Tensor { Tensor([rows, columns], elements: elements.map(Float.init)) }

  public subscript(row: Int, column: Int) -> Double {
    get { elements[place(row, column)] }
    set { elements[place(row, column)] = newValue }
  }

  private func place(_ row: Int, _ column: Int) -> Int {
    precondition(
      row >= 0 && row < rows && column >= 0 && column < columns,
      "Matrix64: [\(row), \(column)] is outside \(rows)×\(columns)")
    return row * columns + column
  }

  /// Rows and columns exchanged.
  public func transposed() -> Matrix64 {
    var result = Matrix64(rows: columns, columns: rows)
    for row in 0..<rows {
      for column in 0..<columns {
        result.elements[column * rows + row] = elements[row * columns + column]
      }
    }
    return result
  }

  /// The matrix product `self · other`, with either factor transposed on request.
  public func matmul(
    _ other: Matrix64, transposingSelf: Bool = false, transposingOther: Bool = false
  ) -> Matrix64 {
    let (m, k) = transposingSelf ? (columns, rows) : (rows, columns)
    let (inner, n) = transposingOther ? (other.columns, other.rows) : (other.rows, other.columns)
    precondition(
      k == inner,
      "Matrix64.matmul: \(rows)×\(columns)\(transposingSelf ? "ᵀ" : "") does not fit "
        + "\(other.rows)×\(other.columns)\(transposingOther ? "ᵀ" : "")")
    var result = Matrix64(rows: m, columns: n)
    if m == 0 || n == 0 || k == 0 { return result }
    cblas_dgemm(
      CblasRowMajor, transposingSelf ? CblasTrans : CblasNoTrans,
      transposingOther ? CblasTrans : CblasNoTrans, Int32(m), Int32(n), Int32(k), 1, elements,
      Int32(columns), other.elements, Int32(other.columns), 0, &result.elements, Int32(n))
    return result
  }

  public static func + (a: Matrix64, b: Matrix64) -> Matrix64 { combine(a, b, "+", +) }
  public static func - (a: Matrix64, b: Matrix64) -> Matrix64 { combine(a, b, "-", -) }

  public static func * (factor: Double, a: Matrix64) -> Matrix64 {
    Matrix64(rows: a.rows, columns: a.columns, elements: a.elements.map { factor * $0 })
  }

  private static func combine(
    _ a: Matrix64, _ b: Matrix64, _ name: String, _ body: (Double, Double) -> Double
  ) -> Matrix64 {
    precondition(
      a.rows == b.rows && a.columns == b.columns,
      "Matrix64 \(name): \(a.rows)×\(a.columns) and \(b.rows)×\(b.columns) differ")
    return Matrix64(
      rows: a.rows, columns: a.columns, elements: zip(a.elements, b.elements).map(body))
  }

  /// The square root of the sum of squares.
  public var frobeniusNorm: Double { elements.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// The largest magnitude.
  public var largestMagnitude: Double { elements.reduce(0) { max($0, abs($1)) } }
}
