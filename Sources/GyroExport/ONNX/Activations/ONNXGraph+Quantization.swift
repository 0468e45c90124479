import Foundation
import GyroQuantization
import GyroTensors

/// Simulated quantization of an activation, in the order in which the kernels compute it: find the
/// range, divide by the scale, take the nearest number, multiply by the scale.
extension ONNXGraph {
  /// The value on the quantizer's grid.
  mutating func quantize(_ x: ONNXValue, _ quantizer: ONNXQuantizer) -> ONNXValue {
    switch quantizer.range {
    case .fixed(let scales): return quantize(x, quantizer, with: scales)
    case .following(let factor):
      guard let size = quantizer.groupSize, let columns = x.extents[x.rank - 1], columns != size
      else {
        return quantize(x, quantizer, following: factor)
      }
      let outer = [Int](repeating: 0, count: x.rank - 1)
      let split = reshape(x, to: outer + [columns / size, size])
      return reshape(quantize(split, quantizer, following: factor), to: outer + [columns])
    }
  }

  // MARK: Ranges that were found in training

  private mutating func quantize(
    _ x: ONNXValue, _ quantizer: ONNXQuantizer, with scales: GroupScales
  ) -> ONNXValue {
    let scale = scales.scales.elements[0]
    let zero = scales.zeroPoints?.elements[0]
    let isTwoLevel = quantizer.scaleFormat == .e4m3 && scales.tensorScale != 1
    if !isTwoLevel, let result = encoded(x, quantizer, scale, zero) { return result }
    let part =
      isTwoLevel
      ? quantizer.scaleFormat.scales(of: quantizer.scaleFormat.codes(of: scales))[0] : scale
    let parts = ONNXScale(
      scale: constant(scale), part: constant(part),
      whole: isTwoLevel ? constant(scales.tensorScale) : nil)
    return project(x, quantizer, parts, zero: zero.map { constant($0) })
  }

  /// QuantizeLinear and DequantizeLinear, which runtimes turn into integer arithmetic; nil for formats
  /// that are no whole numbers. (There is a QuantizeLinear for FP8, but ONNX Runtime moves it in front
  /// of operators that have no such type, and then refuses the graph; a Cast stays where it is.)
  private mutating func encoded(
    _ x: ONNXValue, _ quantizer: ONNXQuantizer, _ scale: Float, _ zero: Float?
  ) -> ONNXValue? {
    guard let integers = quantizer.format as? IntegerFormat else { return nil }
    let isUnsigned = zero != nil || !integers.isSigned
    let first = zero ?? 0
    let low = zero == nil ? integers.lowest : -first
    let high = zero == nil ? integers.largest : quantizer.span - first
    // The type clips to its own ends; a narrower format's ends are multiples of the scale, which
    // the division gives back up to a rounding.
    let ends: (Float, Float) = isUnsigned ? (-first, 255 - first) : (-128, 127)
    let clipped = (low, high) == ends ? x : clip(x, low * scale...high * scale)
    let inputs = [
      constant(scale), constant(isUnsigned ? .uint8 : .int8, [], Data([UInt8(first)])),
    ]
    let quantized = append("QuantizeLinear", [clipped] + inputs, extents: x.extents)
    return append("DequantizeLinear", [quantized] + inputs, extents: x.extents)
  }

  // MARK: Ranges that follow the data

  private mutating func quantize(
    _ x: ONNXValue, _ quantizer: ONNXQuantizer, following factor: Float
  ) -> ONNXValue {
    let isWhole = quantizer.granularity == .tensor
    guard quantizer.isSymmetric else {
      let low = minimum(reduce("ReduceMin", x, all: isWhole), constant(0))
      let high = maximum(reduce("ReduceMax", x, all: isWhole), constant(0))
      let width = subtract(high, low)
      let scale = self.scale(quantizer, reach: width)
      let zero = clip(unary("Round", divide(unary("Neg", low), scale.scale)), 0...quantizer.span)
      return project(x, quantizer, shrunk(scale, by: factor, quantizer), zero: zero)
    }
    let reach = reduce("ReduceMax", unary("Abs", x), all: isWhole)
    let scale = self.scale(quantizer, reach: reach)
    return project(x, quantizer, shrunk(scale, by: factor, quantizer), zero: nil)
  }

  /// A scale times a learned factor, rounded to its type again.
  private mutating func shrunk(
    _ scale: ONNXScale, by factor: Float, _ quantizer: ONNXQuantizer
  ) -> ONNXScale {
    guard factor != 1 else { return scale }
    let product = multiply(scale.scale, constant(factor))
    guard quantizer.scaleFormat != .float32 else { return ONNXScale(product) }
    let reach = multiply(product, constant(quantizer.span))
    return self.scale(quantizer, reach: reach, whole: scale.whole)
  }

  // MARK: Projection

  /// The nearest number in units of the scale, times the scale.
  private mutating func project(
    _ x: ONNXValue, _ quantizer: ONNXQuantizer, _ scale: ONNXScale, zero: ONNXValue?
  ) -> ONNXValue {
    let quotient = divide(x, scale.scale)
    let number: ONNXValue
    if let zero {
      let high = subtract(constant(quantizer.span), zero)
      number = unary("Round", maximum(minimum(quotient, high), unary("Neg", zero)))
    } else {
      number = nearest(quotient, quantizer.format)
    }
    let value = multiply(number, scale.part)
    return scale.whole.map { multiply(value, $0) } ?? value
  }
}
