/// A matrix that can be factored: `Tensor` (Float32, rank 2) and `Matrix64` (Float64).
///
/// All factorizations run in LAPACK, in the precision of the matrix.
public protocol DenseMatrix: Sendable {
  associatedtype Scalar: LinearAlgebraScalar

  /// The number of rows.
  var rowCount: Int { get }
  /// The number of columns.
  var columnCount: Int { get }
  /// All elements in row-major order.
  var elements: [Scalar] { get }
  /// A matrix of `rows · columns` elements in row-major order.
  init(rows: Int, columns: Int, elements: [Scalar])
}

extension Tensor: DenseMatrix {
  public var rowCount: Int { matrixExtents.0 }
  public var columnCount: Int { matrixExtents.1 }

  public init(rows: Int, columns: Int, elements: [Float]) {
    self.init([rows, columns], elements: elements)
  }

  private var matrixExtents: (Int, Int) {
    precondition(shape.rank == 2, "linear algebra: expected a matrix, not shape \(shape)")
    return (shape[0], shape[1])
  }
}

extension DenseMatrix {
  /// The elements, after making sure that all are finite: LAPACK may loop forever on others.
  func finiteElements(_ operation: String) throws(LinearAlgebraError) -> [Scalar] {
    let elements = self.elements
    if let place = elements.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(
        operation: operation, row: place / columnCount, column: place % columnCount)
    }
    return elements
  }

  func requireSquare(_ operation: String) {
    precondition(
      rowCount == columnCount,
      "\(operation): expected a square matrix, not \(rowCount)×\(columnCount)")
  }
}
