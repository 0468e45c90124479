import CGyroKernels

/// Arithmetic of two tensors. Trailing axes are aligned and an extent of 1 stretches; equal shapes,
/// a scalar, a row `[columns]` and a column `[…, 1]` run at the speed of memory.
extension Tensor {
  /// `a + b`, broadcast.
  public static func + (a: Tensor, b: Tensor) -> Tensor { a.combined(with: b, GYRO_ADD, "+") }

  /// `a − b`, broadcast.
  public static func - (a: Tensor, b: Tensor) -> Tensor { a.combined(with: b, GYRO_SUBTRACT, "-") }

  /// `a · b`, element by element, broadcast.
  public static func * (a: Tensor, b: Tensor) -> Tensor { a.combined(with: b, GYRO_MULTIPLY, "*") }

  /// `a / b`, element by element, broadcast.
  public static func / (a: Tensor, b: Tensor) -> Tensor { a.combined(with: b, GYRO_DIVIDE, "/") }

  /// The larger of each pair, broadcast; NaN where either is.
  public func maximum(_ other: Tensor) -> Tensor { combined(with: other, GYRO_MAXIMUM, "maximum") }

  /// The smaller of each pair, broadcast; NaN where either is.
  public func minimum(_ other: Tensor) -> Tensor { combined(with: other, GYRO_MINIMUM, "minimum") }

  /// This tensor stretched to `target`: a view without a copy; stretched axes have stride 0.
  public func broadcast(to target: Shape) -> Tensor {
    precondition(
      shape.broadcast(with: target) == target, "broadcast: \(shape) does not stretch to \(target)")
    if shape == target { return self }
    return Tensor.view(target, storage, offset, broadcastStrides(to: target))
  }

  /// Undoes a broadcast: the sum over the axes along which `target` was stretched to this shape.
  public func reduced(to target: Shape) -> Tensor {
    if shape == target { return self }
    precondition(
      target.broadcast(with: shape) == shape, "reduced: \(target) does not stretch to \(shape)")
    let lead = shape.rank - target.rank
    let axes = (0..<shape.rank).filter {
      $0 < lead || target.dimensions[$0 - lead] != shape.dimensions[$0]
    }
    return sum(axes: axes).reshaped(to: target)
  }

  private func broadcastStrides(to target: Shape) -> [Int] {
    let own = strides
    let lead = target.rank - shape.rank
    return (0..<target.rank).map { axis in
      guard axis >= lead else { return 0 }
      let extent = shape.dimensions[axis - lead]
      return extent == 1 && target.dimensions[axis] != 1 ? 0 : own[axis - lead]
    }
  }

  private func combined(with other: Tensor, _ op: gyro_binary_op, _ name: String) -> Tensor {
    guard let target = shape.broadcast(with: other.shape) else {
      preconditionFailure("\(name): \(shape) and \(other.shape) do not broadcast")
    }
    precondition(target.rank <= 8, "\(name): \(target) has more than 8 axes")
    let a = withUnitRows
    let b = other.withUnitRows
    let extents = target.dimensions.map(Int64.init)
    let aSteps = a.broadcastStrides(to: target).map(Int64.init)
    let bSteps = b.broadcastStrides(to: target).map(Int64.init)
    return Tensor.filled(target) { destination in
      withExtendedLifetime((a.storage, b.storage)) {
        gyro_binary(
          op, a.storage.pointer + a.offset, aSteps, b.storage.pointer + b.offset, bSteps, extents,
          Int32(target.rank), destination)
      }
    }
  }

  /// Itself when neighbours in a row are neighbours in memory (or one stretched element), else a
  /// row-major copy, which the tiled copy kernel makes faster than a strided walk would read.
  private var withUnitRows: Tensor {
    guard let last = viewStrides?.last, last > 1, shape.columns > 1 else { return self }
    return contiguous()
  }
}
