import CGyroKernels
import GyroQuantization

extension Quantizer {
  /// Calls `body` with this quantizer as kernels know it; the pointer is valid during the call only.
  func withKernelQuantizer(_ body: (UnsafePointer<gyro_group_quantizer>) -> Void) {
    var kernel = gyro_group_quantizer()
    kernel.is_asymmetric = isSymmetric ? 0 : 1
    kernel.span = isSymmetric ? format.largest : Float((1 << format.bits) - 1)
    kernel.format.lowest = format.lowest
    kernel.format.largest = format.largest
    kernel.format.bits = Int32(format.bits)
    switch format.arithmetic {
    case .integers:
      kernel.format.kind = Int32(GYRO_FORMAT_INTEGERS)
      body(&kernel)
    case .floats(let mantissaBits, let smallestExponent):
      kernel.format.kind = Int32(GYRO_FORMAT_FLOATS)
      kernel.format.mantissa_bits = Int32(mantissaBits)
      kernel.format.smallest_exponent = Int32(smallestExponent)
      body(&kernel)
    case .levels(let levels):
      kernel.format.kind = Int32(GYRO_FORMAT_LEVELS)
      kernel.format.level_count = Int32(levels.count)
      // A value halfway between two levels goes up.
      let thresholds = zip(levels, levels.dropFirst()).map {
        Float((Double($0) + Double($1)) / 2)
      }
      levels.withUnsafeBufferPointer { levels in
        thresholds.withUnsafeBufferPointer { thresholds in
          kernel.format.levels = levels.baseAddress
          kernel.format.thresholds = thresholds.baseAddress
          body(&kernel)
        }
      }
    }
  }
}
