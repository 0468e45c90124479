extension Tensor {
  /// The same elements under another shape; one extent may be -1 and is worked out.
  /// No copy for a row-major tensor; a strided view is made contiguous first.
  public func reshaped(_ extents: [Int]) -> Tensor {
    var extents = extents
    if let hole = extents.firstIndex(of: -1) {
      let known = extents.enumerated().reduce(1) { $1.offset == hole ? $0 : $0 * $1.element }
      precondition(
        known > 0 && count % known == 0, "reshape: \(shape) does not divide into \(extents)")
      extents[hole] = count / known
    }
    let target = Shape(extents)
    precondition(
      target.count == count,
      "reshape: \(shape) has \(count) elements, \(target) has \(target.count)")
    let source = contiguous()
    return Tensor(shape: target, storage: source.storage, offset: source.offset)
  }

  /// The same elements under another shape.
  public func reshaped(to shape: Shape) -> Tensor { reshaped(shape.dimensions) }

  /// A view with two axes exchanged (the last two unless said otherwise). No copy.
  public func transposed(_ first: Int = -2, _ second: Int = -1) -> Tensor {
    let a = shape.normalized(first), b = shape.normalized(second)
    if a == b { return self }
    var extents = shape.dimensions, steps = strides
    extents.swapAt(a, b)
    steps.swapAt(a, b)
    return Tensor.view(Shape(extents), storage, offset, steps)
  }

  /// A view with axes in another order. No copy.
  public func permuted(_ order: [Int]) -> Tensor {
    precondition(
      order.sorted() == Array(0..<shape.rank), "permute: \(order) is no order of \(shape)'s axes")
    let steps = strides
    return Tensor.view(
      Shape(order.map { shape.dimensions[$0] }), storage, offset, order.map { steps[$0] })
  }

  /// A view of the places `range` along `axis`. No copy.
  public func sliced(axis: Int, _ range: Range<Int>) -> Tensor {
    let axis = shape.normalized(axis)
    precondition(
      range.lowerBound >= 0 && range.upperBound <= shape.dimensions[axis],
      "slice: \(range) is outside axis \(axis) of \(shape)")
    let steps = strides
    return Tensor.view(
      shape.replacing(axis: axis, with: range.count), storage,
      offset + range.lowerBound * steps[axis], steps)
  }

  /// Wraps strided memory, noticing when it is row-major after all.
  static func view(
    _ shape: Shape, _ storage: TensorStorage, _ offset: Int, _ strides: [Int]
  ) -> Tensor {
    let plain = shape.contiguousStrides
    let rowMajor = zip(shape.dimensions, zip(strides, plain)).allSatisfy { $0 <= 1 || $1.0 == $1.1 }
    return Tensor(
      shape: shape, storage: storage, offset: offset, viewStrides: rowMajor ? nil : strides)
  }
}
