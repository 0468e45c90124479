import CGyroKernels
package import GyroTensors

/// Rotates pairs of features by angles that depend on the position. The pullback is the rotation by
/// the negative angles; it needs no residual.
package struct RotaryOp: Op {
  let table: RotaryTable
  let heads: Int
  let start: Int

  package init(table: RotaryTable, heads: Int, start: Int) {
    self.table = table
    self.heads = heads
    self.start = start
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Void) {
    let shape = inputs[0].shape, features = heads * table.headSize
    let isSplit = shape.rank == 4 && shape[2] == heads && shape[3] == table.headSize
    precondition(
      isSplit || (shape.rank == 3 && shape[2] == features),
      """
      rotated: \(shape) is neither [batch, time, \(features)] nor \
      [batch, time, \(heads), \(table.headSize)]
      """)
    precondition(
      start >= 0 && start + shape[1] <= table.positions,
      """
      rotated: positions \(start) ..< \(start + shape[1]) are outside the table of \
      \(table.positions) positions
      """)
    return (rotate(inputs[0], backward: false), ())
  }

  package func pullback(_ cotangent: Tensor, _ residual: Void, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? rotate(cotangent, backward: true) : nil]
  }

  private func rotate(_ x: Tensor, backward: Bool) -> Tensor {
    x.withElements { source in
      table.cosines.withElements { cosines in
        table.sines.withElements { sines in
          Tensor.filled(x.shape) {
            gyro_rope(
              source, cosines, sines, Int64(x.shape[0]), Int64(x.shape[1]), Int64(heads),
              Int64(table.headSize), Int64(start), backward ? 1 : 0, $0)
          }
        }
      }
    }
  }
}

extension Variable {
  /// Rotary position embedding (Su et al., 2104.09864) of `[batch, time, heads · headSize]` or
  /// `[batch, time, heads, headSize]`.
  ///
  /// Within a head, feature `j < headSize / 2` pairs with `j + headSize / 2`, as in Hugging Face
  /// checkpoints: `(a, b)` becomes `(a cos θ − b sin θ, b cos θ + a sin θ)`.
  ///
  /// - Parameter startingAt: the position of the first token of each sequence.
  public func rotated(
    _ table: RotaryTable, heads: Int, startingAt start: Int = 0
  ) -> Variable {
    .apply(RotaryOp(table: table, heads: heads, start: start), to: self)
  }
}
