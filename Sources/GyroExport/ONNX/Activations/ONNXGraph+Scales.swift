import GyroQuantization
import GyroTensors

/// A scale as values of a graph. Values are divided by `scale`, and numbers multiplied by `part` and
/// then, for scales of two levels, by `whole`.
struct ONNXScale {
  let scale, part: ONNXValue
  let whole: ONNXValue?

  init(scale: ONNXValue, part: ONNXValue, whole: ONNXValue?) {
    self.scale = scale
    self.part = part
    self.whole = whole
  }

  init(_ scale: ONNXValue) { self.init(scale: scale, part: scale, whole: nil) }
}

/// From ranges to scales, rounded to the type that scales are stored in, as the kernels do it.
extension ONNXGraph {
  /// - Parameters:
  ///   - reach: What a range's scale has to cover, not negative.
  ///   - whole: The second level of a scale of two levels, if it is known.
  mutating func scale(
    _ quantizer: ONNXQuantizer, reach: ONNXValue, whole: ONNXValue? = nil
  ) -> ONNXScale {
    let quotient = divide(reach, constant(quantizer.span))
    if quantizer.scaleFormat == .e4m3 {
      let whole = whole ?? tensorScale(quantizer, reach)
      let part = maximum(nearest(divide(quotient, whole), Minifloat.e4m3), constant(0x1p-9))
      return ONNXScale(scale: multiply(part, whole), part: part, whole: whole)
    }
    let scale =
      switch quantizer.scaleFormat {
      case .float16:
        cast(cast(maximum(quotient, constant(0x1p-14)), to: .float16), to: .float)
      case .bfloat16:
        cast(cast(maximum(quotient, constant(0x1p-126)), to: .bfloat16), to: .float)
      case .powerOfTwo: powerOfTwo(notBelow: quotient)
      case .e8m0: sharedExponent(reach, quantizer.span)
      case .float32, .e4m3: maximum(quotient, constant(0x1p-126))
      }
    let isZero = append("Equal", [reach, constant(0)], extents: reach.extents)
    return ONNXScale(choose(isZero, constant(1), scale))
  }

  /// The Float32 scale of a whole tensor in front of E4M3 scales of its groups.
  private mutating func tensorScale(
    _ quantizer: ONNXQuantizer, _ reach: ONNXValue
  ) -> ONNXValue {
    let widest = reduce("ReduceMax", reach, all: true)
    let scale = maximum(divide(widest, constant(448 * quantizer.span)), constant(0x1p-117))
    let isZero = append("Equal", [widest, constant(0)], extents: widest.extents)
    return choose(isZero, constant(1), scale)
  }

  /// The least power of two that is not below a number, from 2^−126 on: as many powers as are less
  /// than it are left behind.
  private mutating func powerOfTwo(notBelow x: ONNXValue) -> ONNXValue {
    let powers = (-126...127).map { Float(sign: .plus, exponent: $0, significand: 1) }
    return choice(from: powers + [.infinity], byCounting: "Greater", x, over: powers)
  }

  /// `2^(⌊log2 reach⌋ − ⌊log2 span⌋)`, from 2^−127 on.
  private mutating func sharedExponent(_ reach: ONNXValue, _ span: Float) -> ONNXValue {
    let powers = (-126...127).map { Float(sign: .plus, exponent: $0, significand: 1) }
    let scales = (-127...127).map { exponent in
      Float(sign: .plus, exponent: max(exponent - Int(span.exponent), -127), significand: 1)
    }
    return choice(from: scales, byCounting: "GreaterOrEqual", reach, over: powers)
  }

  /// The entry of a table whose place is the number of bounds that a value is above.
  private mutating func choice(
    from table: [Float], byCounting comparison: String, _ x: ONNXValue, over bounds: [Float]
  ) -> ONNXValue {
    let edges = constant(bounds, [bounds.count])
    let isAbove = append(comparison, [x, edges], extents: x.extents.dropLast() + [bounds.count])
    let count = sum(cast(isAbove, to: .float))
    return gather(constant(table, [table.count]), cast(count, to: .int64))
  }
}
