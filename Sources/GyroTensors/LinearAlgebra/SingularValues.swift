import COpenBLAS

/// A singular value decomposition `u · diagonal(values) · vTransposed`.
public struct SingularValueDecomposition<Matrix: DenseMatrix>: Sendable {
  /// Left singular vectors in columns.
  public let u: Matrix
  /// Singular values, largest first, none negative.
  public let values: [Matrix.Scalar]
  /// Right singular vectors in rows.
  public let vTransposed: Matrix
}

extension DenseMatrix {
  /// The singular value decomposition (divide and conquer).
  ///
  /// - Parameter full: Complete u to m × m and v to n × n instead of the thin m × k and k × n,
  ///   k = min(m, n).
  /// - Throws: `LinearAlgebraError.notFinite`, `.didNotConverge`.
  public func singularValueDecomposition(
    full: Bool = false
  ) throws(LinearAlgebraError) -> SingularValueDecomposition<Self> {
    let operation = "singular value decomposition"
    var work = try finiteElements(operation)
    let m = rowCount, n = columnCount, k = min(m, n)
    precondition(k > 0, "\(operation): \(m)×\(n) has no elements")
    let left = full ? m : k, right = full ? n : k
    var u = [Scalar](repeating: 0, count: m * left)
    var v = [Scalar](repeating: 0, count: right * n)
    var values = [Scalar](repeating: 0, count: k)
    let status = Scalar.lapack.gesdd(
      LAPACK_ROW_MAJOR, CChar(full ? "A" : "S"), Int32(m), Int32(n), &work, Int32(n), &values, &u,
      Int32(left), &v, Int32(n))
    checkArguments(status, operation)
    if status > 0 { throw .didNotConverge(operation: operation) }
    return SingularValueDecomposition(
      u: Self(rows: m, columns: left, elements: u), values: values,
      vTransposed: Self(rows: right, columns: n, elements: v))
  }
}
