import COpenBLAS

extension DenseMatrix {
  /// The solution x of `self · x = other` by LU factorization with row pivoting; `other` has one
  /// right-hand side per column.
  ///
  /// - Throws: `LinearAlgebraError.singular`, `.notFinite`.
  public func solved(for other: Self) throws(LinearAlgebraError) -> Self {
    requireSquare("solve")
    precondition(
      other.rowCount == rowCount,
      "solve: \(rowCount)×\(columnCount) does not fit \(other.rowCount)×\(other.columnCount)")
    var work = try finiteElements("solve"), solution = try other.finiteElements("solve")
    let n = Int32(rowCount), sides = other.columnCount
    if n > 0, sides > 0 {
      var pivots = [Int32](repeating: 0, count: rowCount)
      let status = Scalar.lapack.gesv(
        LAPACK_ROW_MAJOR, n, Int32(sides), &work, n, &pivots, &solution, Int32(sides))
      checkArguments(status, "solve")
      if status > 0 { throw .singular(operation: "solve", pivot: Int(status) - 1) }
    }
    return Self(rows: rowCount, columns: sides, elements: solution)
  }

  /// The inverse. Prefer `solved(for:)` where the inverse is only multiplied by.
  ///
  /// - Throws: `LinearAlgebraError.singular`, `.notFinite`.
  public func inverse() throws(LinearAlgebraError) -> Self {
    requireSquare("inverse")
    var identity = [Scalar](repeating: 0, count: rowCount * rowCount)
    for i in 0..<rowCount { identity[i * rowCount + i] = 1 }
    return try solved(for: Self(rows: rowCount, columns: rowCount, elements: identity))
  }

  /// The solution x of `t · x = other`, or of `tᵀ · x = other`, where t is one triangle of this
  /// matrix (the other is not used).
  ///
  /// - Parameters:
  ///   - transposed: Solve with tᵀ.
  ///   - unitDiagonal: Take ones for the diagonal.
  /// - Throws: `LinearAlgebraError.singular` for a zero on the diagonal, `.notFinite`.
  public func solvedTriangular(
    for other: Self, _ triangle: Triangle, transposed: Bool = false, unitDiagonal: Bool = false
  ) throws(LinearAlgebraError) -> Self {
    let operation = "triangular solve"
    requireSquare(operation)
    precondition(
      other.rowCount == rowCount,
      "\(operation): \(rowCount)×\(columnCount) does not fit "
        + "\(other.rowCount)×\(other.columnCount)")
    let matrix = try finiteElements(operation)
    var solution = try other.finiteElements(operation)
    let n = Int32(rowCount), sides = other.columnCount
    if n > 0, sides > 0 {
      let status = Scalar.lapack.trtrs(
        LAPACK_ROW_MAJOR, triangle.letter, CChar(transposed ? "T" : "N"),
        CChar(unitDiagonal ? "U" : "N"), n, Int32(sides), matrix, n, &solution, Int32(sides))
      checkArguments(status, operation)
      if status > 0 { throw .singular(operation: operation, pivot: Int(status) - 1) }
    }
    return Self(rows: rowCount, columns: sides, elements: solution)
  }
}
