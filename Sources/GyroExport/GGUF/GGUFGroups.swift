import GyroQuantization
import GyroTensors

/// Which group of a matrix's quantizer an element belongs to.
struct GGUFGroups {
  private let rowsPerBand: Int
  private let groupsPerBand: Int
  private let columnsPerGroup: Int
  /// Groups in all.
  let count: Int

  init(_ granularity: Granularity, _ shape: Shape) {
    let (rows, columns) = (shape.rows, max(shape.columns, 1))
    switch granularity {
    case .tensor: (rowsPerBand, columnsPerGroup) = (max(rows, 1), columns)
    case .channel, .token: (rowsPerBand, columnsPerGroup) = (1, columns)
    case .group(let size), .head(let size): (rowsPerBand, columnsPerGroup) = (1, size)
    case .block(let height, let width): (rowsPerBand, columnsPerGroup) = (height, width)
    }
    groupsPerBand = columns / columnsPerGroup
    count = rows / rowsPerBand * groupsPerBand
  }

  func index(row: Int, column: Int) -> Int {
    row / rowsPerBand * groupsPerBand + column / columnsPerGroup
  }
}
