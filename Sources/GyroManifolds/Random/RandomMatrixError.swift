/// Why rows could not be made orthonormal.
public enum RandomMatrixError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The row depends on the rows above it.
  case rankDeficient(row: Int, rows: Int, columns: Int)
  /// An element is NaN or infinite.
  case notFinite

  public var description: String {
    switch self {
    case .rankDeficient(let row, let rows, let columns):
      return
        "orthonormal rows of a \(rows)×\(columns) matrix: row \(row) depends on the rows above "
        + "it; leave it out, or draw another seed"
    case .notFinite:
      return "orthonormal rows: an element is NaN or infinite; look for what made it so"
    }
  }
}
