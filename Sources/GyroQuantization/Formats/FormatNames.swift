/// Number formats by the names that recipes use.
public enum FormatNames {
  /// Names for messages; `eXmY` stands for any split of at most eight bits.
  public static let families =
    IntegerFormat.widths.map { "int\($0)" } + IntegerFormat.widths.map { "uint\($0)" } + [
      "int8-restricted", "int8-half-range", "e4m3", "e5m2", "e3m4", "e2m5", "e2m1", "e3m2", "e2m3",
      "eXmY",
      "e4m3-finite", "binary", "ternary", "pot4", "apot5", "nf4",
    ]

  /// The format of a name; nil when there is none.
  ///
  /// `eXmY` is the published standard where there is one, else the form of 2208.09225 in which every
  /// code is finite; `eXmY-finite` is always the latter, `eXmY-ieee` has infinities and NaN.
  public static func format(_ name: String) -> (any NumberFormat)? {
    switch name {
    case "binary": return Codebook.binary
    case "ternary": return Codebook.ternary
    case "nf4": return Codebook.normalFloat4
    default: return integer(name) ?? minifloat(name) ?? powers(name)
    }
  }

  private static func integer(_ name: String) -> (any NumberFormat)? {
    let parts = name.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let rest = parts[0]
    let variant = parts.count == 2 ? String(parts[1]) : nil
    let isSigned = rest.hasPrefix("int")
    guard isSigned || rest.hasPrefix("uint") && variant == nil else { return nil }
    guard [nil, "restricted", "half-range"].contains(variant) else { return nil }
    let digits = rest.dropFirst(isSigned ? 3 : 4)
    guard let bits = Int(digits), "\(bits)" == digits, IntegerFormat.widths.contains(bits) else {
      return nil
    }
    return IntegerFormat(
      bits: bits, isSigned: isSigned, isRestricted: variant == "restricted",
      isHalfRange: variant == "half-range")
  }

  private static func minifloat(_ name: String) -> (any NumberFormat)? {
    let parts = name.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 1, let standard = Minifloat.standard[name] { return standard }
    let split = Array(parts[0])
    guard split.count == 4, split[0] == "e", split[2] == "m", split[1].isASCII, split[3].isASCII,
      let exponent = split[1].wholeNumberValue, let mantissa = split[3].wholeNumberValue,
      exponent >= 1, (2...7).contains(exponent + mantissa)
    else { return nil }
    guard parts.count == 2 else {
      return Minifloat.allFinite(exponentBits: exponent, mantissaBits: mantissa)
    }
    switch parts[1] {
    case "finite": return Minifloat.allFinite(exponentBits: exponent, mantissaBits: mantissa)
    case "ieee" where exponent >= 2 && mantissa >= 1:
      return Minifloat(
        exponentBits: exponent, mantissaBits: mantissa, bias: (1 << (exponent - 1)) - 1,
        specials: .infinityAndNaN)
    default: return nil
    }
  }

  private static func powers(_ name: String) -> (any NumberFormat)? {
    if name.hasPrefix("pot"), let bits = Int(name.dropFirst(3)), (2...5).contains(bits) {
      return Codebook.powerOfTwo(bits: bits)
    }
    if name.hasPrefix("apot"), let bits = Int(name.dropFirst(4)), [3, 5, 7].contains(bits) {
      return Codebook.additivePowerOfTwo(bits: bits)
    }
    return nil
  }
}
