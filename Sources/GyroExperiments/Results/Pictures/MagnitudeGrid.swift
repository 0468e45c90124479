/// Magnitudes of tokens × channels on a grid small enough to draw.
struct MagnitudeGrid: Equatable {
  /// Rows (groups of tokens) and columns (groups of channels).
  let rows: Int
  let columns: Int
  /// [rows, columns]: the largest magnitude in each cell, so that no outlier is lost.
  let cells: [Double]
  /// The largest magnitude and the root mean square of all values.
  let largest: Double
  let rootMeanSquare: Double
  /// Values that are no numbers; they count as 0.
  let leftOut: Int

  /// - Parameter values: [tokens, channels]; rows that follow each other share a cell.
  init(_ values: [Float], channels: Int, rows limit: Int, columns columnLimit: Int) {
    precondition(
      values.isEmpty || (channels > 0 && values.count.isMultiple(of: channels)),
      "MagnitudeGrid: \(values.count) values are not whole rows of \(channels) channels")
    let tokens = values.isEmpty ? 0 : values.count / channels
    let (rows, columns) = (min(tokens, limit), tokens == 0 ? 0 : min(channels, columnLimit))
    var cells = [Float](repeating: 0, count: rows * columns)
    let column = (0..<(tokens == 0 ? 0 : channels)).map { $0 * columns / channels }
    var (squares, leftOut) = (0.0, 0)
    values.withUnsafeBufferPointer { values in
      for token in 0..<tokens {
        let base = token * rows / tokens * columns
        for channel in column.indices {
          let magnitude = abs(values[token * channels + channel])
          guard magnitude.isFinite else {
            leftOut += 1
            continue
          }
          squares += Double(magnitude) * Double(magnitude)
          let cell = base + column[channel]
          if magnitude > cells[cell] { cells[cell] = magnitude }
        }
      }
    }
    let count = values.count - leftOut
    self.rows = rows
    self.columns = columns
    self.cells = cells.map(Double.init)
    self.largest = Double(cells.max() ?? 0)
    self.rootMeanSquare = count == 0 ? 0 : (squares / Double(count)).squareRoot()
    self.leftOut = leftOut
  }
}
