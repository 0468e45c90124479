/// A format that is a list of at most 256 levels; code i stands for level i, in rising order.
/// A value halfway between two levels goes to the upper one.
public struct Codebook: NumberFormat {
  public let name: String
  public let levels: [Float]

  /// - Precondition: 2 to 256 finite levels in strictly rising order.
  public init(name: String, levels: [Float]) {
    precondition(
      (2...256).contains(levels.count) && levels.allSatisfy(\.isFinite)
        && zip(levels, levels.dropFirst()).allSatisfy { $0 < $1 },
      "Codebook \(name): needs 2 to 256 finite levels in rising order")
    self.name = name
    self.levels = levels.map { $0 + 0 }  // one zero
  }

  public var bits: Int { max(1, Int.bitWidth - (levels.count - 1).leadingZeroBitCount) }
  public var lowest: Float { min(levels[0], 0) }
  public var largest: Float { max(levels.last!, -levels[0]) }
  public var arithmetic: FormatArithmetic { .levels(levels) }

  public func encode(_ value: Float) -> UInt8 {
    var (low, high) = (0, levels.count - 1)
    while low < high {  // the last level whose threshold is not above the value
      let middle = (low + high + 1) / 2
      if value >= Self.threshold(levels[middle - 1], levels[middle]) {
        low = middle
      } else {
        high = middle - 1
      }
    }
    return UInt8(low)
  }

  public func decode(_ code: UInt8) -> Float { levels[min(Int(code), levels.count - 1)] }

  public func project(_ value: Float) -> Float { decode(encode(value)) }

  /// Halfway between two levels.
  static func threshold(_ lower: Float, _ upper: Float) -> Float {
    Float((Double(lower) + Double(upper)) / 2)
  }
}

extension Codebook {
  /// −1 and 1 (BinaryConnect, XNOR-Net; 2103.13630 §IV-G). Zero counts as positive.
  public static let binary = Codebook(name: "binary", levels: [-1, 1])

  /// −1, 0 and 1 (ternary weight networks, 1605.04711).
  public static let ternary = Codebook(name: "ternary", levels: [-1, 0, 1])

  /// Zero and the powers of two `±2^−k`, `k = 0 … 2^(bits−1) − 2` (2103.13630 §III-F).
  /// One of the two zeros that a sign bit would allow is left out.
  public static func powerOfTwo(bits: Int) -> Codebook {
    precondition((2...5).contains(bits), "Codebook: powers of two have 2 to 5 bits, not \(bits)")
    let positive = (0...((1 << (bits - 1)) - 2)).map {
      Float(sign: .plus, exponent: -$0, significand: 1)
    }
    return symmetric("pot\(bits)", positive)
  }

  /// Sums of two powers of two (additive powers of two, 1909.13144 §2.2, k = 2): for an even number
  /// n of magnitude bits the levels are `γ Σᵢ pᵢ`, `pᵢ ∈ {0, 2^−i, 2^−(i+m), …}`, scaled to 1.
  public static func additivePowerOfTwo(bits: Int) -> Codebook {
    precondition(
      (3...7).contains(bits) && bits % 2 == 1,
      "Codebook: additive powers of two have 3, 5 or 7 bits, not \(bits)")
    let terms = (bits - 1) / 2
    let choices = (0..<terms).map { term in
      [Float(0)]
        + (0..<3).map { Float(sign: .plus, exponent: -(term + terms * $0), significand: 1) }
    }
    let sums = choices.reduce([Float(0)]) { sums, choice in
      sums.flatMap { sum in choice.map { sum + $0 } }
    }
    let positive = Set(sums).subtracting([0])
    let top = positive.max()!
    return symmetric("apot\(bits)", positive.map { $0 / top })
  }

  /// NormalFloat of 4 bits (2305.14314 §3): quantiles of the normal distribution scaled to ±1, eight
  /// above zero, seven below, and zero.
  public static let normalFloat4 = Codebook(
    name: "nf4",
    levels: [
      -1.0, -0.6961928, -0.5250731, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0.0,
      0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
    ])

  private static func symmetric(_ name: String, _ positive: [Float]) -> Codebook {
    Codebook(name: name, levels: positive.map { -$0 }.sorted() + [0] + positive.sorted())
  }
}
