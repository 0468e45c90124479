/// Whole numbers of 2 to 8 bits (2004.09602 §3.1; 2106.08295 §2.1), rounded half to even.
///
/// Codes are two's complement. A signed format's range is `full`, `−2^(bits−1) … 2^(bits−1) − 1`, or
/// `restricted`, without the lowest, so that negation is exact. Both have the same symmetric scale,
/// and differ only where a range clips. The `half-range` has the codes of `full` and half of the
/// distance between their ends as its span, `(2^bits − 1) / 2`: the largest magnitude of a group lies
/// half a step beyond the largest code, saturates when it is positive, and takes the lowest code when
/// it is negative. So does compressed-tensors, the library behind transformers, find scales.
public struct IntegerFormat: NumberFormat {
  public let bits: Int
  public let isSigned: Bool
  /// Whether the lowest code of a signed format is left out.
  public let isRestricted: Bool
  /// Whether symmetric scales divide by half the distance between the ends of the codes.
  public let isHalfRange: Bool

  /// The widths there are.
  public static let widths = 2...8

  /// - Precondition: `bits` in 2…8; an unsigned format is neither restricted nor of half range, and
  ///   a restricted one not of half range.
  public init(
    bits: Int, isSigned: Bool = true, isRestricted: Bool = false, isHalfRange: Bool = false
  ) {
    precondition(Self.widths.contains(bits), "IntegerFormat: \(bits) bits; there are 2 to 8")
    precondition(isSigned || !isRestricted, "IntegerFormat: an unsigned format has one range")
    self.bits = bits
    self.isSigned = isSigned
    precondition(
      !isHalfRange || isSigned && !isRestricted, "IntegerFormat: only full codes have a half range")
    self.isRestricted = isRestricted
    self.isHalfRange = isHalfRange
  }

  /// Codes −128…127.
  public static let int8 = IntegerFormat(bits: 8)
  /// Codes −8…7.
  public static let int4 = IntegerFormat(bits: 4)
  /// Codes 0…255.
  public static let uint8 = IntegerFormat(bits: 8, isSigned: false)

  public var name: String {
    (isSigned ? "int" : "uint") + "\(bits)"
      + (isRestricted ? "-restricted" : isHalfRange ? "-half-range" : "")
  }
  public var largest: Float { Float((1 << (isSigned ? bits - 1 : bits)) - 1) }
  public var lowest: Float { isSigned ? -largest - (isRestricted ? 0 : 1) : 0 }
  public var span: Float { isHalfRange ? Float((1 << bits) - 1) / 2 : largest }
  public var arithmetic: FormatArithmetic { .integers }

  public func project(_ value: Float) -> Float {
    // Adding zero turns −0 into 0: a whole number has one zero.
    min(max(value, lowest), largest).rounded(.toNearestOrEven) + 0
  }

  public func encode(_ value: Float) -> UInt8 {
    UInt8(truncatingIfNeeded: Int(project(value))) & UInt8(truncatingIfNeeded: (1 << bits) - 1)
  }

  public func decode(_ code: UInt8) -> Float {
    let low = Int(code) & ((1 << bits) - 1)
    return Float(isSigned && low >= 1 << (bits - 1) ? low - (1 << bits) : low)
  }
}
