/// Why a matrix could not be factored or a system not be solved.
public enum LinearAlgebraError: Error, Sendable, Equatable, CustomStringConvertible {
  /// An element is NaN or infinite.
  case notFinite(operation: String, row: Int, column: Int)
  /// The leading minor of this order is not positive.
  case notPositiveDefinite(leadingMinor: Int)
  /// The pivot in this row (from 0) is exactly zero.
  case singular(operation: String, pivot: Int)
  /// The iteration stopped without a result.
  case didNotConverge(operation: String)

  public var description: String {
    switch self {
    case .notFinite(let operation, let row, let column):
      return "\(operation): the element in row \(row), column \(column) is not finite; look for "
        + "what made it so (a learning rate too high, a division by zero) before factoring"
    case .notPositiveDefinite(let minor):
      return "cholesky: the matrix is not positive definite (its leading minor of order \(minor) "
        + "is not positive); try adding a small multiple of the mean diagonal to the diagonal, "
        + "for example 0.01 of it"
    case .singular(let operation, let pivot):
      return "\(operation): the matrix is singular (pivot \(pivot) is zero); try adding a small "
        + "multiple of the identity, or use the singular value decomposition for a least-squares "
        + "solution"
    case .didNotConverge(let operation):
      return "\(operation): the iteration did not converge; try scaling the matrix so that its "
        + "largest element is near 1, or Float64 (Matrix64)"
    }
  }
}
