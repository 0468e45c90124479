package import GyroTensors

/// Which group of a quantizer an element of a tensor belongs to.
package struct GroupIndex: Sendable {
  private let columns: Int
  private let rowsPerBand: Int
  private let groupsPerBand: Int
  private let columnsPerGroup: Int
  /// Groups in all.
  package let count: Int

  /// - Precondition: the groups divide the tensor, as `GroupLayout` makes sure.
  package init(_ granularity: Granularity, of shape: Shape) {
    let rows = max(shape.rows, 1)
    columns = max(shape.columns, 1)
    (rowsPerBand, columnsPerGroup) =
      switch granularity {
      case .tensor: (rows, columns)
      // A channel of a convolution has several rows.
      case .channel: (max(rows / max(shape.dimensions.first ?? 1, 1), 1), columns)
      case .token: (1, columns)
      case .group(let size), .head(let size): (1, size)
      case .block(let height, let width): (height, width)
      }
    groupsPerBand = columns / columnsPerGroup
    count = rows / rowsPerBand * groupsPerBand
  }

  package subscript(row row: Int, column column: Int) -> Int {
    row / rowsPerBand * groupsPerBand + column / columnsPerGroup
  }

  /// Of the element at a place in row-major order.
  package subscript(place: Int) -> Int { self[row: place / columns, column: place % columns] }
}
