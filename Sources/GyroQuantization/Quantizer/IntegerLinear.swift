/// A linear layer in whole numbers alone, as an integer runtime runs it: the reference that
/// simulated quantization is held against. Plain loops; not for speed.
///
/// Values are `scale · (code − zeroPoint)` (1712.05877 §2; 2106.08295 §2.2). With weights `[out, in]`
/// and inputs `[rows, in]`
/// ```
/// Σ (w − zw)(x − zx) = Σ w·x − zw Σ x − zx Σ w + K·zw·zx
/// ```
/// The last two terms do not depend on the input: they are folded into the bias, which is INT32 with
/// the scale `sw · sx` and zero point 0. The sum is then brought to the output's scale by a
/// fixed-point multiplier for `sw · sx / sy`, the output's zero point added, and the code clamped.
public struct IntegerLinear: Sendable {
  /// How codes stand for numbers.
  public struct Encoding: Sendable, Hashable {
    public let scale: Float
    public let zeroPoint: Int32
    /// The codes there are; outputs saturate to them.
    public let codes: ClosedRange<Int32>

    public init(scale: Float, zeroPoint: Int32, codes: ClosedRange<Int32>) {
      self.scale = scale
      self.zeroPoint = zeroPoint
      self.codes = codes
    }
  }

  public let rows: Int, columns: Int
  public let weight: [Int32]
  /// One encoding per output channel.
  public let weightEncodings: [Encoding]
  public let input: Encoding, output: Encoding
  /// Bias, and the terms that do not depend on the input, per output channel.
  public let folded: [Int32]
  /// `sw · sx / sy` per output channel.
  public let multipliers: [FixedPointMultiplier]

  /// - Parameters:
  ///   - weight: codes `[out, in]`.
  ///   - bias: `[out]` Float32, rounded here to whole steps of `sw · sx`.
  /// - Precondition: `columns` divides the codes, one encoding and one bias per output channel.
  public init(
    weight: [Int32], columns: Int, weightEncodings: [Encoding], bias: [Float], input: Encoding,
    output: Encoding
  ) {
    rows = weightEncodings.count
    precondition(
      weight.count == rows * columns && bias.count == rows,
      "IntegerLinear: \(weight.count) codes, \(bias.count) biases for [\(rows), \(columns)]")
    self.weight = weight
    self.columns = columns
    self.weightEncodings = weightEncodings
    self.input = input
    self.output = output
    folded = (0..<rows).map { row in
      let encoding = weightEncodings[row]
      let sum = weight[row * columns..<(row + 1) * columns].reduce(0, +)
      let constant = Int32(columns) * encoding.zeroPoint * input.zeroPoint - input.zeroPoint * sum
      return Self.biasCode(bias[row], encoding.scale, input.scale) + constant
    }
    multipliers = weightEncodings.map {
      FixedPointMultiplier(Double($0.scale) * Double(input.scale) / Double(output.scale))
    }
  }

  /// A bias in steps of the product of the two scales, saturated to 32 bits.
  public static func biasCode(_ bias: Float, _ weightScale: Float, _ inputScale: Float) -> Int32 {
    let steps = Double(bias) / (Double(weightScale) * Double(inputScale))
    return Int32(min(max(steps.rounded(.toNearestOrEven), Double(Int32.min)), Double(Int32.max)))
  }

  /// The sums in steps of `sw · sx`, for inputs `[count, in]` of codes; the result is `[count, out]`.
  public func accumulators(_ codes: [Int32]) -> [Int32] {
    let count = codes.count / columns
    var result: [Int32] = []
    result.reserveCapacity(count * rows)
    for item in 0..<count {
      let x = codes[item * columns..<(item + 1) * columns]
      let inputSum = x.reduce(0, +)
      for row in 0..<rows {
        let w = weight[row * columns..<(row + 1) * columns]
        let products = zip(w, x).reduce(Int32(0)) { $0 + $1.0 * $1.1 }
        result.append(products - weightEncodings[row].zeroPoint * inputSum + folded[row])
      }
    }
    return result
  }

  /// Output codes `[count, out]` for input codes `[count, in]`.
  public func callAsFunction(_ codes: [Int32]) -> [Int32] {
    accumulators(codes).enumerated().map { place, sum in
      let scaled = multipliers[place % rows].scale(sum)
      let (code, overflow) = scaled.addingReportingOverflow(output.zeroPoint)
      guard !overflow else { return scaled < 0 ? output.codes.lowerBound : output.codes.upperBound }
      return min(max(code, output.codes.lowerBound), output.codes.upperBound)
    }
  }
}
