import CGyroKernels
public import GyroTensors

/// Rows of a table by id; the gradient adds each row's cotangent back to the row it came from, in
/// the order of the ids.
package struct EmbeddingOp: Op {
  let ids: [Int32]
  let shape: Shape

  package init(ids: [Int32], shape: Shape) {
    self.ids = ids
    self.shape = shape
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Shape) {
    let table = inputs[0]
    precondition(
      table.shape.rank == 2, "embedding: the table must be [vocabulary, width], not \(table.shape)")
    precondition(
      shape.count == ids.count, "embedding: shape \(shape) does not hold \(ids.count) ids")
    let (vocabulary, width) = (table.shape[0], table.shape[1])
    for (place, id) in ids.enumerated() where id < 0 || id >= vocabulary {
      // Ids are data, not code: the message must survive an optimised build.
      fatalError(
        "embedding: id \(id) at place \(place) is outside the vocabulary of \(vocabulary)")
    }
    let rows = table.withElements { source in
      Tensor.filled(Shape(shape.dimensions + [width])) {
        gyro_embedding(source, Int64(width), ids, Int64(ids.count), $0)
      }
    }
    return (rows, table.shape)
  }

  package func pullback(_ cotangent: Tensor, _ table: Shape, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let gradient = cotangent.withElements { source in
      Tensor.filled(table) {
        gyro_embedding_gradient(
          source, Int64(table[0]), Int64(table[1]), ids, Int64(ids.count), $0)
      }
    }
    return [gradient]
  }
}

extension Variable {
  /// The rows of this table `[vocabulary, width]` with the given ids.
  /// - Parameters:
  ///   - ids: row-major, in `0 ..< vocabulary`; anything else traps.
  ///   - shape: the shape of the ids, `[ids.count]` unless said otherwise.
  /// - Returns: `[…shape, width]`.
  public func embedding(_ ids: [Int32], shape: Shape? = nil) -> Variable {
    .apply(EmbeddingOp(ids: ids, shape: shape ?? [ids.count]), to: self)
  }
}
