import CGyroKernels

extension NumberFormat {
  /// Calls `body` with the format as kernels know it; the pointer is valid during the call only.
  func withKernelFormat<Result>(
    _ body: (UnsafePointer<gyro_number_format>) throws -> Result
  ) rethrows -> Result {
    var format = gyro_number_format()
    format.lowest = lowest
    format.largest = largest
    format.bits = Int32(bits)
    switch arithmetic {
    case .integers:
      format.kind = Int32(GYRO_FORMAT_INTEGERS)
      return try body(&format)
    case .floats(let mantissaBits, let smallestExponent):
      format.kind = Int32(GYRO_FORMAT_FLOATS)
      format.mantissa_bits = Int32(mantissaBits)
      format.smallest_exponent = Int32(smallestExponent)
      return try body(&format)
    case .levels(let levels):
      format.kind = Int32(GYRO_FORMAT_LEVELS)
      format.level_count = Int32(levels.count)
      let thresholds = zip(levels, levels.dropFirst()).map(Codebook.threshold)
      return try levels.withUnsafeBufferPointer { levels in
        try thresholds.withUnsafeBufferPointer { thresholds in
          format.levels = levels.baseAddress
          format.thresholds = thresholds.baseAddress
          return try body(&format)
        }
      }
    }
  }
}
