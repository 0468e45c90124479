/// Scales as the bytes that files hold, for the two formats of one byte.
extension ScaleFormat {
  /// Whether files hold scales as one byte each.
  public var isByte: Bool { self == .e8m0 || self == .e4m3 }

  /// The byte of each scale: an E8M0 exponent, or the E4M3 part of a two-level scale.
  /// - Precondition: `e8m0` or `e4m3`, and scales that a quantizer of this format made.
  public func codes(of scales: GroupScales) -> [UInt8] {
    precondition(isByte, "ScaleFormat: \(rawValue) scales have no byte codes")
    return scales.scales.elements.map { scale in
      // 2^−127, exponent code 0, is a subnormal Float32, whose exponent bits are 0 as well.
      self == .e8m0
        ? UInt8(scale.bitPattern >> 23) : Minifloat.e4m3.encode(scale / scales.tensorScale)
    }
  }

  /// The scales of such bytes; NaN for the codes of NaN.
  /// - Precondition: `e8m0` or `e4m3`.
  public func scales(of codes: [UInt8], tensorScale: Float = 1) -> [Float] {
    precondition(isByte, "ScaleFormat: \(rawValue) scales have no byte codes")
    return codes.map { code in
      guard self == .e8m0 else { return Minifloat.e4m3.decode(code) * tensorScale }
      return code == 0xff ? .nan : Float(sign: .plus, exponent: Int(code) - 127, significand: 1)
    }
  }
}
