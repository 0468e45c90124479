import GyroQuantization

/// The nearest number of a format, with the formats' own rounding.
extension ONNXGraph {
  mutating func nearest(_ x: ONNXValue, _ format: any NumberFormat) -> ONNXValue {
    switch format.arithmetic {
    case .integers: return unary("Round", clip(x, format.lowest...format.largest))
    case .floats(let mantissaBits, let smallestExponent):
      let clipped = clip(x, -format.largest...format.largest)
      if let float = format as? Minifloat, float == .e4m3 || float == .e5m2 {
        let type: ONNXTensorProto.DataType = float == .e4m3 ? .float8E4M3Fn : .float8E5M2
        return cast(cast(clipped, to: type), to: .float)
      }
      return nearestFloat(clipped, mantissaBits, smallestExponent, largest: format.largest)
    case .levels(let levels): return nearestLevel(x, levels)
    }
  }

  /// Steps double with each power of two; division and multiplication by them are exact.
  private mutating func nearestFloat(
    _ x: ONNXValue, _ mantissaBits: Int, _ smallestExponent: Int, largest: Float
  ) -> ONNXValue {
    func power(_ exponent: Int) -> Float { Float(sign: .plus, exponent: exponent, significand: 1) }
    let magnitude = unary("Abs", x)
    var step = constant(power(smallestExponent - mantissaBits))
    let last = Int(largest.exponent)
    for exponent in stride(from: smallestExponent + 1, through: last, by: 1) {
      let reaches = binary("GreaterOrEqual", magnitude, constant(power(exponent)))
      step = choose(reaches, constant(power(exponent - mantissaBits)), step)
    }
    return multiply(unary("Round", divide(x, step)), step)
  }

  /// The last level whose threshold is not above the value.
  private mutating func nearestLevel(_ x: ONNXValue, _ levels: [Float]) -> ONNXValue {
    var number = constant(levels[0])
    for (lower, upper) in zip(levels, levels.dropFirst()) {
      let threshold = Float((Double(lower) + Double(upper)) / 2)
      number = choose(binary("GreaterOrEqual", x, constant(threshold)), constant(upper), number)
    }
    return number
  }
}
