import COpenBLAS

/// Which triangle of a matrix.
public enum Triangle: Sendable {
  case lower, upper

  var letter: CChar { CChar(self == .lower ? "L" : "U") }
}

extension DenseMatrix {
  /// The Cholesky factor of a symmetric positive definite matrix: lower `l` with `l · lᵀ = self`,
  /// or upper `u` with `uᵀ · u = self`. Only that triangle of the matrix is read.
  ///
  /// - Throws: `LinearAlgebraError.notPositiveDefinite`, `.notFinite`.
  public func cholesky(_ triangle: Triangle = .lower) throws(LinearAlgebraError) -> Self {
    requireSquare("cholesky")
    let n = rowCount
    return Self(rows: n, columns: n, elements: try choleskyElements(triangle, clearing: true))
  }

  /// The inverse of a symmetric positive definite matrix, by its Cholesky factor: exactly
  /// symmetric, at half the work of a general inverse. Only the lower triangle is read.
  ///
  /// - Throws: `LinearAlgebraError.notPositiveDefinite`, `.notFinite`.
  public func positiveDefiniteInverse() throws(LinearAlgebraError) -> Self {
    requireSquare("positiveDefiniteInverse")
    let n = rowCount
    var work = try choleskyElements(.lower, clearing: false)
    if n > 0 {
      let status = Scalar.lapack.potri(
        LAPACK_ROW_MAJOR, Triangle.lower.letter, Int32(n), &work, Int32(n))
      checkArguments(status, "positiveDefiniteInverse")
      if status > 0 { throw .notPositiveDefinite(leadingMinor: Int(status)) }
    }
    for row in 0..<n {
      for column in row + 1..<max(n, row + 1) { work[row * n + column] = work[column * n + row] }
    }
    return Self(rows: n, columns: n, elements: work)
  }

  private func choleskyElements(
    _ triangle: Triangle, clearing: Bool
  ) throws(LinearAlgebraError) -> [Scalar] {
    var work = try finiteElements("cholesky")
    let n = rowCount
    if n == 0 { return work }
    let status = Scalar.lapack.potrf(
      LAPACK_ROW_MAJOR, triangle.letter, Int32(n), &work, Int32(n))
    checkArguments(status, "cholesky")
    if status > 0 { throw .notPositiveDefinite(leadingMinor: Int(status)) }
    if clearing {
      for row in 0..<n {
        for column in triangle == .lower ? row + 1..<n : 0..<row { work[row * n + column] = 0 }
      }
    }
    return work
  }
}
