import CGyroMatmul

// What a matrix product reads of a tensor: codes or units with a scale for each row, or elements.

/// What a matrix's elements follow from, where a product can use it instead of them.
enum EncodedMatrix {
  case codes(IntegerGrid)
  case units(UnitGrid)
}

extension Tensor {
  /// The codes or units of this tensor, its leading axes as rows; nil for plain elements.
  var encodedMatrix: EncodedMatrix? {
    if let grid { return .codes(grid) }
    return units.map(EncodedMatrix.units)
  }

  /// Calls `body` with this tensor as a factor: its `encodedMatrix`, or else its elements.
  func withFactor<Result>(
    _ encoded: EncodedMatrix?, _ body: (UnsafePointer<gyro_matmul_factor>) throws -> Result
  ) rethrows -> Result {
    var factor = gyro_matmul_factor()
    factor.stride = Int64(shape.columns)
    switch encoded {
    case .codes(let grid):
      factor.kind = Int32(GYRO_FACTOR_INT8)
      factor.data = UnsafeRawPointer(grid.codePointer)
      factor.scale = UnsafePointer(grid.scalePointer)
      return try withExtendedLifetime(grid) { try body(&factor) }
    case .units(let grid):
      factor.kind = Int32(GYRO_FACTOR_BFLOAT16)
      factor.data = UnsafeRawPointer(grid.unitPointer)
      factor.scale = UnsafePointer(grid.scalePointer)
      return try withExtendedLifetime(grid) { try body(&factor) }
    case nil:
      factor.kind = Int32(GYRO_FACTOR_FLOAT32)
      return try withElements { elements in
        factor.data = UnsafeRawPointer(elements)
        return try body(&factor)
      }
    }
  }
}
