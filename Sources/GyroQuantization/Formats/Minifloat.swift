/// A small float: sign, `exponentBits`, `mantissaBits`, an integer bias, subnormals. Rounds half to
/// even; values beyond the range saturate, unless `encode(_:saturating:)` is asked not to.
///
/// `value = ±2^(e − bias) · 1.m` for exponent code e > 0, and `±2^(1 − bias) · 0.m` for e = 0.
/// Sources: OCP 8-bit Floating Point 1.0 (E4M3, E5M2), OCP Microscaling 1.0 (E2M1, E2M3, E3M2), and
/// 2208.09225 §2 for the form in which every code is finite, where a scale takes the bias's place.
public struct Minifloat: NumberFormat {
  /// What the codes with the largest exponent stand for.
  public enum Specials: Hashable, Sendable {
    /// Numbers, all of them.
    case none
    /// Numbers, but for the one with all mantissa bits set, which is NaN (OCP E4M3).
    case nan
    /// Infinity and NaN, as in IEEE 754 (OCP E5M2).
    case infinityAndNaN
  }

  public let exponentBits: Int
  public let mantissaBits: Int
  public let bias: Int
  public let specials: Specials

  /// - Precondition: 2 to 8 bits in all, with at least one exponent bit, and two or more exponent
  ///   codes left for numbers.
  public init(exponentBits: Int, mantissaBits: Int, bias: Int, specials: Specials = .none) {
    precondition(
      exponentBits >= 1 && mantissaBits >= 0 && exponentBits + mantissaBits <= 7,
      "Minifloat: E\(exponentBits)M\(mantissaBits) does not fit 8 bits with a sign")
    precondition(
      specials == .none || exponentBits >= 2 && mantissaBits >= 1,
      "Minifloat: E\(exponentBits)M\(mantissaBits) has no code to spare")
    self.exponentBits = exponentBits
    self.mantissaBits = mantissaBits
    self.bias = bias
    self.specials = specials
  }

  /// OCP E4M3: largest 448, NaN, no infinity.
  public static let e4m3 = Minifloat(exponentBits: 4, mantissaBits: 3, bias: 7, specials: .nan)
  /// OCP E5M2: largest 57344, infinities and NaN.
  public static let e5m2 = Minifloat(
    exponentBits: 5, mantissaBits: 2, bias: 15, specials: .infinityAndNaN)
  /// OCP E2M1, the element of MXFP4 and NVFP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6.
  public static let e2m1 = Minifloat(exponentBits: 2, mantissaBits: 1, bias: 1)
  /// OCP E2M3, largest 7.5.
  public static let e2m3 = Minifloat(exponentBits: 2, mantissaBits: 3, bias: 1)
  /// OCP E3M2, largest 28.
  public static let e3m2 = Minifloat(exponentBits: 3, mantissaBits: 2, bias: 3)

  /// Every code a number, with the bias `2^(exponentBits − 1)` of 2208.09225.
  public static func allFinite(exponentBits: Int, mantissaBits: Int) -> Minifloat {
    Minifloat(
      exponentBits: exponentBits, mantissaBits: mantissaBits, bias: 1 << (exponentBits - 1))
  }

  public var bits: Int { 1 + exponentBits + mantissaBits }

  public var name: String {
    let plain = "e\(exponentBits)m\(mantissaBits)"
    if let standard = Self.standard[plain] {
      return standard == self ? plain : plain + suffix
    }
    return self == .allFinite(exponentBits: exponentBits, mantissaBits: mantissaBits)
      ? plain : plain + suffix
  }

  private var suffix: String {
    switch specials {
    case .none: "-finite"
    case .nan: "-nan"
    case .infinityAndNaN: "-ieee"
    }
  }

  /// The formats whose plain name is that of a published standard.
  static let standard: [String: Minifloat] = [
    "e4m3": .e4m3, "e5m2": .e5m2, "e2m1": .e2m1, "e2m3": .e2m3, "e3m2": .e3m2,
  ]

  /// Exponent of the smallest normal number.
  public var smallestExponent: Int { 1 - bias }

  public var largest: Float {
    let top = (1 << exponentBits) - 1 - bias - (specials == .infinityAndNaN ? 1 : 0)
    let missing = specials == .nan ? 2 : 1
    let significand = 2 - Float(missing) * Self.power(-mantissaBits)
    return significand * Self.power(top)
  }

  public var lowest: Float { -largest }

  public var arithmetic: FormatArithmetic {
    .floats(mantissaBits: mantissaBits, smallestExponent: smallestExponent)
  }

  public func project(_ value: Float) -> Float {
    let magnitude = min(value.magnitude, largest)
    let exponent = magnitude == 0 ? smallestExponent : Int(magnitude.exponent)
    let step = Self.power(max(exponent, smallestExponent) - mantissaBits)
    let rounded = (magnitude / step).rounded(.toNearestOrEven) * step
    return value.sign == .minus ? -rounded : rounded
  }

  public func encode(_ value: Float) -> UInt8 { encode(value, saturating: true) }

  /// The code of a value.
  /// - Parameter saturating: whether values beyond the range become the largest number; otherwise
  ///   those that would round beyond it become infinity, or NaN where there is no infinity.
  public func encode(_ value: Float, saturating: Bool) -> UInt8 {
    let sign: UInt8 = value.sign == .minus ? 1 << UInt8(bits - 1) : 0
    let special = specials == .none ? nil : overflow(value, saturating: saturating)
    if let special { return sign | special }
    let magnitude = project(value).magnitude
    guard magnitude >= Self.power(smallestExponent) else {
      return sign | UInt8(magnitude / Self.power(smallestExponent - mantissaBits))
    }
    let exponent = Int(magnitude.exponent)
    let fraction = UInt8((magnitude.significand - 1) * Self.power(mantissaBits))
    return sign | UInt8(exponent + bias) << UInt8(mantissaBits) | fraction
  }

  /// The code without its sign of NaN and of what does not fit; nil for everything else.
  private func overflow(_ value: Float, saturating: Bool) -> UInt8? {
    let notANumber = UInt8((1 << (bits - 1)) - 1)
    let infinity = UInt8(((1 << exponentBits) - 1) << mantissaBits)
    // The one NaN other programs write: all mantissa bits in E4M3, the top one in E5M2.
    let nan = specials == .nan ? notANumber : infinity | UInt8(1 << (mantissaBits - 1))
    if value.isNaN { return nan }
    guard !saturating else { return nil }
    let exponent = Int(largest.exponent)
    let halfway = largest + Self.power(exponent - mantissaBits - 1)
    let lastIsEven = specials == .nan  // E4M3's 448 has an even mantissa, E5M2's 57344 an odd one
    let fits = value.magnitude < halfway || lastIsEven && value.magnitude == halfway
    return fits ? nil : (specials == .nan ? nan : infinity)
  }

  public func decode(_ code: UInt8) -> Float {
    let fraction = Int(code) & ((1 << mantissaBits) - 1)
    let exponent = (Int(code) >> mantissaBits) & ((1 << exponentBits) - 1)
    let isNegative = Int(code) >> (bits - 1) & 1 == 1
    let top = (1 << exponentBits) - 1
    if specials == .infinityAndNaN, exponent == top {
      return fraction != 0 ? .nan : isNegative ? -.infinity : .infinity
    }
    if specials == .nan, exponent == top, fraction == (1 << mantissaBits) - 1 { return .nan }
    let unit = Self.power(max(exponent, 1) - bias - mantissaBits)
    let magnitude = Float(exponent == 0 ? fraction : fraction + 1 << mantissaBits) * unit
    return isNegative ? -magnitude : magnitude
  }

  /// `2^exponent`, exactly.
  private static func power(_ exponent: Int) -> Float {
    Float(sign: .plus, exponent: exponent, significand: 1)
  }
}
