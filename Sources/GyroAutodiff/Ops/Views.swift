public import GyroTensors

/// The same elements under another shape.
package struct ReshapeOp: Op {
  let extents: [Int]

  package init(_ extents: [Int]) { self.extents = extents }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Shape) {
    (inputs[0].reshaped(extents), inputs[0].shape)
  }

  package func pullback(_ cotangent: Tensor, _ shape: Shape, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? cotangent.reshaped(to: shape) : nil]
  }
}

/// The axes in another order: output axis i is input axis `order[i]`.
package struct PermuteOp: Op {
  let order: [Int]

  package init(_ order: [Int]) { self.order = order }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Void) {
    (inputs[0].permuted(order), ())
  }

  package func pullback(_ cotangent: Tensor, _ residual: Void, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    var inverse = order
    for (place, axis) in order.enumerated() { inverse[axis] = place }
    return [cotangent.permuted(inverse)]
  }
}

/// The places `range` along one axis; the gradient is zero elsewhere.
package struct SliceOp: Op {
  let axis: Int
  let range: Range<Int>

  package init(axis: Int, _ range: Range<Int>) {
    self.axis = axis
    self.range = range
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Shape) {
    (inputs[0].sliced(axis: axis, range), inputs[0].shape)
  }

  package func pullback(_ cotangent: Tensor, _ shape: Shape, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? cotangent.padded(axis: axis, to: shape, at: range.lowerBound) : nil]
  }
}

/// Tensors one after another along an axis; each gradient is a slice, without a copy.
package struct ConcatenateOp: Op {
  let axis: Int

  package init(axis: Int) { self.axis = axis }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Int]) {
    (Tensor.concatenated(inputs, axis: axis), inputs.map { $0.shape[axis] })
  }

  package func pullback(_ cotangent: Tensor, _ extents: [Int], needs: [Bool]) -> [Tensor?] {
    var start = 0
    return zip(extents, needs).map { extent, needed in
      defer { start += extent }
      return needed ? cotangent.sliced(axis: axis, start..<start + extent) : nil
    }
  }
}

extension Variable {
  /// The same elements under another shape; one extent may be -1 and is worked out.
  public func reshaped(_ extents: [Int]) -> Variable { .apply(ReshapeOp(extents), to: self) }

  /// The same elements under another shape.
  public func reshaped(to shape: Shape) -> Variable { reshaped(shape.dimensions) }

  /// Two axes exchanged, the last two unless said otherwise. No copy.
  public func transposed(_ first: Int = -2, _ second: Int = -1) -> Variable {
    var order = Array(0..<shape.rank)
    order.swapAt(shape.normalized(first), shape.normalized(second))
    return permuted(order)
  }

  /// The axes in another order: output axis i is this variable's axis `order[i]`. No copy.
  public func permuted(_ order: [Int]) -> Variable { .apply(PermuteOp(order), to: self) }

  /// The places `range` along `axis`. No copy.
  public func sliced(axis: Int, _ range: Range<Int>) -> Variable {
    .apply(SliceOp(axis: shape.normalized(axis), range), to: self)
  }

  /// Variables one after another along `axis`; all other extents must agree.
  public static func concatenated(_ parts: [Variable], axis: Int) -> Variable {
    apply(ConcatenateOp(axis: axis), to: parts)
  }
}
