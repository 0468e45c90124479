import COpenBLAS

extension DenseMatrix {
  /// The eigenvalues and eigenvectors of a symmetric matrix (divide and conquer):
  /// `self · vectors = vectors · diagonal(values)`. Only the lower triangle is read.
  ///
  /// - Returns: values, smallest first; orthonormal vectors in columns.
  /// - Throws: `LinearAlgebraError.didNotConverge`, `.notFinite`.
  public func symmetricEigen() throws(LinearAlgebraError) -> (values: [Scalar], vectors: Self) {
    let operation = "symmetric eigenvalues"
    requireSquare(operation)
    var work = try finiteElements(operation)
    let n = rowCount
    var values = [Scalar](repeating: 0, count: n)
    if n > 0 {
      let status = Scalar.lapack.syevd(
        LAPACK_ROW_MAJOR, CChar("V"), Triangle.lower.letter, Int32(n), &work, Int32(n), &values)
      checkArguments(status, operation)
      if status > 0 { throw .didNotConverge(operation: operation) }
    }
    return (values, Self(rows: n, columns: n, elements: work))
  }
}
