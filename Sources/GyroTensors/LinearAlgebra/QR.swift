import COpenBLAS

extension DenseMatrix {
  /// The QR factorization `self = q · r` with orthonormal columns in q and an upper triangular r
  /// (Householder reflections).
  ///
  /// - Parameters:
  ///   - full: For m × n with m > n, complete q to m × m (and r to m × n) instead of the thin
  ///     m × n and n × n.
  ///   - positiveDiagonal: Choose signs so that the diagonal of r is not negative, which makes the
  ///     factorization of a matrix of full rank unique. A random normal matrix then gives a q that
  ///     is uniform over the orthogonal group (Mezzadri, math-ph/0609050).
  /// - Throws: `LinearAlgebraError.notFinite`.
  public func qr(
    full: Bool = false, positiveDiagonal: Bool = false
  ) throws(LinearAlgebraError) -> (q: Self, r: Self) {
    var factored = try finiteElements("qr")
    let m = rowCount, n = columnCount, k = min(m, n)
    let width = full ? m : k
    var reflectors = [Scalar](repeating: 0, count: k)
    if k > 0 {
      checkArguments(
        Scalar.lapack.geqrf(
          LAPACK_ROW_MAJOR, Int32(m), Int32(n), &factored, Int32(n), &reflectors), "qr")
    }
    var r = [Scalar](repeating: 0, count: width * n)
    var q = [Scalar](repeating: 0, count: m * width)
    for row in 0..<m {
      for column in 0..<min(n, width) { q[row * width + column] = factored[row * n + column] }
      if row < k { for column in row..<n { r[row * n + column] = factored[row * n + column] } }
    }
    if width > 0 {
      checkArguments(
        Scalar.lapack.orgqr(
          LAPACK_ROW_MAJOR, Int32(m), Int32(width), Int32(k), &q, Int32(width), reflectors), "qr")
    }
    if positiveDiagonal {
      for i in 0..<k where r[i * n + i] < 0 {
        for column in i..<n { r[i * n + column].negate() }
        for row in 0..<m { q[row * width + i].negate() }
      }
    }
    return (
      Self(rows: m, columns: width, elements: q), Self(rows: width, columns: n, elements: r)
    )
  }
}
