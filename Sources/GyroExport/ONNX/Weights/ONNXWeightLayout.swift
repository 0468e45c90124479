import GyroQuantization
import GyroTensors

/// Where the codes and scales of one weight lie.
///
/// Matrices that MatMul reads are stored `[in, out]`, all others as they are in the model. A scale
/// stands for a run along the model's last axis, for a row, or for all; scales of blocks are repeated
/// for each row of a block, because operators know runs along one axis alone.
struct ONNXWeightLayout {
  /// Extents in the model.
  let shape: Shape
  let granularity: Granularity
  /// Whether rows and columns of a matrix change places.
  let isTransposed: Bool

  /// Extents in the file.
  var extents: [Int] { isTransposed ? [shape[1], shape[0]] : shape.dimensions }

  /// How many neighbors of the last axis share a scale; nil for a row or all.
  var run: Int? {
    switch granularity {
    case .group(let size), .head(let size): size
    case .block(_, let columns): columns
    case .tensor, .channel, .token: nil
    }
  }

  /// Extents of the scales in the file.
  var scaleExtents: [Int] {
    guard let run else { return granularity == .tensor ? [] : [shape[0]] }
    let last = shape.columns / run
    return isTransposed ? [last, shape[0]] : Array(shape.dimensions.dropLast()) + [last]
  }

  /// The axis of the file's tensor that scales run along.
  var axis: Int { run == nil ? (isTransposed ? 1 : 0) : (isTransposed ? 0 : shape.rank - 1) }

  /// Numbers of the weight's elements, in the file's order.
  func stored<Number>(_ elements: [Number]) -> [Number] {
    isTransposed ? Self.transposed(elements, rows: shape[0], columns: shape[1]) : elements
  }

  /// Numbers of the weight's elements, in the model's order.
  func loaded<Number>(_ elements: [Number]) -> [Number] {
    isTransposed ? Self.transposed(elements, rows: shape[1], columns: shape[0]) : elements
  }

  /// Numbers of the groups, in the file's order, repeated for each row of a block.
  func stored(groups: [Float]) -> [Float] {
    guard let run else { return groups }
    var all = groups
    if case .block(let rows, _) = granularity {
      let width = shape.columns / run
      all = (0..<shape.rows).flatMap { row in
        groups[row / rows * width..<(row / rows + 1) * width]
      }
    }
    return isTransposed
      ? Self.transposed(all, rows: shape[0], columns: shape.columns / run) : all
  }

  /// Numbers of the groups, in the model's order; nil when the rows of a block differ.
  func loaded(groups: [Float]) -> [Float]? {
    guard let run else { return groups }
    let width = shape.columns / run
    let all =
      isTransposed ? Self.transposed(groups, rows: width, columns: shape[0]) : groups
    guard case .block(let rows, _) = granularity else { return all }
    for row in 0..<shape.rows {
      for place in 0..<width {
        let first = all[row / rows * rows * width + place]
        guard all[row * width + place].bitPattern == first.bitPattern else { return nil }
      }
    }
    return stride(from: 0, to: shape.rows, by: rows).flatMap { all[$0 * width..<($0 + 1) * width] }
  }

  /// The number of scales in the file.
  var scaleCount: Int { scaleExtents.reduce(1, *) }

  static func transposed<Number>(_ elements: [Number], rows: Int, columns: Int) -> [Number] {
    guard !elements.isEmpty else { return [] }
    return [Number](unsafeUninitializedCapacity: elements.count) { target, count in
      elements.withUnsafeBufferPointer { source in
        for column in 0..<columns {
          for row in 0..<rows {
            (target.baseAddress! + column * rows + row).initialize(
              to: source[row * columns + column])
          }
        }
      }
      count = elements.count
    }
  }
}
