import GyroTensors

/// Blocks of a matrix are the only groups that are not contiguous: they are brought together before
/// a kernel runs, and put back after it.
extension Granularity {
  /// The elements of `x`, group after group.
  func gathered(_ x: Tensor) -> Tensor {
    guard case .block(let rows, let columns) = self, x.count > 0 else { return x.contiguous() }
    return x.reshaped([x.shape.rows / rows, rows, x.shape.columns / columns, columns])
      .permuted([0, 2, 1, 3]).contiguous()
  }

  /// Undoes `gathered` for a tensor of this shape.
  func scattered(_ x: Tensor, _ shape: Shape) -> Tensor {
    guard case .block(let rows, let columns) = self, x.count > 0 else {
      return x.reshaped(to: shape)
    }
    return x.reshaped([shape.rows / rows, shape.columns / columns, rows, columns])
      .permuted([0, 2, 1, 3]).contiguous().reshaped(to: shape)
  }

  /// The codes of a tensor of this shape, group after group.
  func gathered(_ codes: PooledBuffer, _ shape: Shape) -> PooledBuffer {
    moved(codes, shape) { target, source, group, matrix, count in
      (target + group).copyMemory(from: source + matrix, byteCount: count)
    }
  }

  /// Undoes `gathered` on codes.
  func scattered(_ codes: PooledBuffer, _ shape: Shape) -> PooledBuffer {
    moved(codes, shape) { target, source, group, matrix, count in
      (target + matrix).copyMemory(from: source + group, byteCount: count)
    }
  }

  /// Calls `move` for each run of bytes that stays together, with its places in the order of
  /// groups and in that of the matrix.
  private func moved(
    _ codes: PooledBuffer, _ shape: Shape,
    _ move: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int, Int, Int) -> Void
  ) -> PooledBuffer {
    guard case .block(let rows, let columns) = self, shape.count > 0 else { return codes }
    let result = PooledBuffer(byteCount: shape.count)
    let width = shape.columns
    var place = 0
    for top in stride(from: 0, to: shape.rows, by: rows) {
      for left in stride(from: 0, to: width, by: columns) {
        for row in top..<top + rows {
          move(result.pointer, codes.pointer, place, row * width + left, columns)
          place += columns
        }
      }
    }
    return result
  }
}
