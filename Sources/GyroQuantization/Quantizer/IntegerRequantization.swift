/// A positive real factor as whole-number arithmetic does it: `value · multiplier / 2^(31 + shift)`,
/// with a 32-bit multiplier in `[2^30, 2^31)`.
///
/// Jacob et al. (1712.05877 §2.2): `M = 2^−n · M0`, `M0 ∈ [0.5, 1)` held as `round(2^31 · M0)`. Here
/// product and shift are rounded once, to nearest, with halves away from zero: for negative values
/// as for positive ones. (A rounding right shift that adds half and shifts, as vector units do,
/// takes −0.5 to 0 and 0.5 to 1, and so moves results up on average.)
public struct FixedPointMultiplier: Sendable, Hashable {
  /// `round(2^31 · M0)`.
  public let multiplier: Int32
  /// n, from −31 to 31: negative for factors of 1 and more.
  public let shift: Int

  /// - Precondition: `factor` is finite and in `[2^−32, 2^31)`.
  public init(_ factor: Double) {
    precondition(
      factor.isFinite && factor >= 0x1p-32 && factor < 0x1p31,
      "FixedPointMultiplier: \(factor) is outside [2^-32, 2^31)")
    var exponent = Int(factor.exponent) + 1  // factor = significand · 2^exponent, from one half
    var scaled = (factor.significand / 2 * 0x1p31).rounded(.toNearestOrEven)
    if scaled == 0x1p31 {
      scaled /= 2
      exponent += 1
    }
    multiplier = Int32(scaled)
    shift = -exponent
  }

  /// The factor this stands for.
  public var value: Double {
    Double(multiplier) * Double(sign: .plus, exponent: -31 - shift, significand: 1)
  }

  /// `value · factor`, rounded to nearest, halves away from zero, saturating to 32 bits.
  public func scale(_ value: Int32) -> Int32 {
    rounded(Int64(value) * Int64(multiplier), dividedByPowerOfTwo: 31 + shift)
  }
}

/// A positive real factor as `numerator / 2^shift` (dyadic; 2103.13630 §IV-B), the one form that
/// integer-only hardware without a wide multiplier can use.
public struct DyadicFactor: Sendable, Hashable {
  /// b.
  public let numerator: Int32
  /// c.
  public let shift: Int

  /// The nearest `b / 2^c`: less than `2^−c` from `factor` (at most half of that).
  /// - Precondition: `shift` in 0…62 and `factor · 2^shift` at most `2^31 − 1`.
  public init(_ factor: Double, shift: Int) {
    let scaled = (factor * Double(sign: .plus, exponent: shift, significand: 1))
      .rounded(.toNearestOrEven)
    precondition(
      factor >= 0 && (0...62).contains(shift) && scaled <= Double(Int32.max),
      "DyadicFactor: \(factor) does not fit b / 2^\(shift)")
    numerator = Int32(scaled)
    self.shift = shift
  }

  /// The factor this stands for.
  public var value: Double {
    Double(numerator) * Double(sign: .plus, exponent: -shift, significand: 1)
  }

  /// `value · b / 2^c`, rounded to nearest, halves away from zero, saturating to 32 bits.
  public func scale(_ value: Int32) -> Int32 {
    rounded(Int64(value) * Int64(numerator), dividedByPowerOfTwo: shift)
  }
}

/// The quotient rounded to nearest, halves away from zero, saturated to 32 bits.
private func rounded(_ product: Int64, dividedByPowerOfTwo places: Int) -> Int32 {
  guard places > 0 else { return Int32(clamping: product << Int64(-places)) }
  let half = Int64(1) << Int64(places - 1)
  let magnitude = (Int64(product.magnitude) + half) >> Int64(places)
  return Int32(clamping: product < 0 ? -magnitude : magnitude)
}
