import CGyroKernels

extension Tensor {
  /// Tensors one after another along `axis`; all other extents must agree.
  public static func concatenated(_ parts: [Tensor], axis: Int) -> Tensor {
    precondition(!parts.isEmpty, "concatenated: there is nothing to concatenate")
    let first = parts[0].shape
    let axis = first.normalized(axis)
    for part in parts {
      precondition(
        part.shape.rank == first.rank
          && part.shape.replacing(axis: axis, with: 1) == first.replacing(axis: axis, with: 1),
        "concatenated: \(part.shape) does not continue \(first) along axis \(axis)")
    }
    let extent = parts.reduce(0) { $0 + $1.shape.dimensions[axis] }
    let outer = first.dimensions[..<axis].reduce(1, *)
    let inner = first.dimensions[(axis + 1)...].reduce(1, *)
    return Tensor.filled(first.replacing(axis: axis, with: extent)) { destination in
      var place = 0
      for part in parts {
        let length = part.shape.dimensions[axis] * inner
        part.withElements {
          gyro_copy_runs(
            $0, Int64(length), destination + place, Int64(extent * inner), Int64(outer),
            Int64(length))
        }
        place += length
      }
    }
  }

  /// A tensor of `target`'s shape that is zero but for this tensor, which starts at place `start`
  /// along `axis`: the transpose of `sliced`.
  public func padded(axis: Int, to target: Shape, at start: Int) -> Tensor {
    let axis = target.normalized(axis)
    precondition(
      shape.rank == target.rank && start >= 0
        && start + shape.dimensions[axis] <= target.dimensions[axis]
        && shape == target.replacing(axis: axis, with: shape.dimensions[axis]),
      "padded: \(shape) at \(start) does not fit axis \(axis) of \(target)")
    let outer = target.dimensions[..<axis].reduce(1, *)
    let inner = target.dimensions[(axis + 1)...].reduce(1, *)
    let pitch = target.dimensions[axis] * inner
    let length = shape.dimensions[axis] * inner
    return withElements { source in
      Tensor.filled(target) {
        gyro_fill($0, Int64(target.count), 0)
        gyro_copy_runs(
          source, Int64(length), $0 + start * inner, Int64(pitch), Int64(outer), Int64(length))
      }
    }
  }
}
