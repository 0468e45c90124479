public import GyroTensors

extension Matrix64 {
  /// The orthogonal factor of the polar decomposition, U·Vᵀ of the singular value decomposition: the
  /// nearest matrix with orthonormal rows (for p × n, p ≤ n) or columns. Of a matrix without full
  /// rank there are several nearest; this is one of them.
  ///
  /// Near the result, ‖A·Aᵀ − I‖ < ½, Newton's iteration A ← (3·I − A·Aᵀ)·A/2 finds it by products
  /// alone, in two or three steps for a rotation that was learned (Björck and Bowie 1971); it converges
  /// quadratically to the same factor. Elsewhere the decomposition is worked out.
  /// - Throws: `LinearAlgebraError.notFinite`, `.didNotConverge`.
  public func polarFactor() throws(LinearAlgebraError) -> Matrix64 {
    let isWide = rows <= columns
    var result = self
    var departure = Double.infinity
    for _ in 0..<8 {
      let gram = result.matmul(result, transposingSelf: !isWide, transposingOther: isWide)
      let error = Matrix64.identity(gram.rows) - gram
      let size = error.frobeniusNorm
      // The last step ends at the rounding of the products, where the norm stops shrinking.
      guard size < 0.5, size < departure else { break }
      departure = size
      let step = isWide ? error.matmul(result) : result.matmul(error)
      result = result + 0.5 * step
      if size < 1e-9 { return result }
    }
    let parts = try singularValueDecomposition()
    return parts.u.matmul(parts.vTransposed)
  }
}
