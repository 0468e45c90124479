import Foundation
import GyroQuantization

/// The numbers a file's codes stand for, and which code of a format each of them is.
///
/// A format whose numbers, times some power of two, are all numbers of the file's element is carried
/// by it without loss: the scale is divided by the same power. So binary and ternary weights are
/// two-bit whole numbers, and small floats are FP8.
struct CodeCarrier {
  /// The elements there are.
  enum Element: Hashable {
    /// Whole numbers, two's complement; 1 to 8 bits.
    case integer(bits: Int)
    /// OCP E4M3.
    case float8
    /// OCP E2M3, four in three bytes.
    case float6
    /// OCP E2M1.
    case float4

    var bits: Int {
      switch self {
      case .integer(let bits): bits
      case .float8: 8
      case .float6: 6
      case .float4: 4
      }
    }

    /// What a code stands for. Whole numbers are bytes in two's complement.
    func number(_ code: UInt8) -> Float {
      switch self {
      case .integer: Float(Int8(bitPattern: code))
      case .float8: Minifloat.e4m3.decode(code)
      case .float6: Minifloat.e2m3.decode(code)
      case .float4: Minifloat.e2m1.decode(code)
      }
    }

    /// The code of a number, if it has one.
    func code(_ number: Float) -> UInt8? {
      switch self {
      case .integer(let bits):
        let half = Float(1 << (bits - 1))
        // Whole numbers have one zero; small floats have two, and are carried by floats.
        let isNegativeZero = number == 0 && number.sign == .minus
        guard number == number.rounded(), number >= -half, number < half, !isNegativeZero else {
          return nil
        }
        return UInt8(bitPattern: Int8(number))
      case .float8: return Self.code(number, Minifloat.e4m3)
      case .float6: return Self.code(number, Minifloat.e2m3)
      case .float4: return Self.code(number, Minifloat.e2m1)
      }
    }

    private static func code(_ number: Float, _ format: Minifloat) -> UInt8? {
      let code = format.encode(number)
      return format.decode(code).bitPattern == number.bitPattern ? code : nil
    }
  }

  let element: Element
  /// A number of the file is the format's times `2^shift`, and its scale that much smaller.
  let shift: Int
  /// The file's code of each of ours.
  let encoded: [UInt8]
  /// Our code of each of the file's; nil for numbers the format has not.
  let decoded: [UInt8?]

  /// Carries a symmetric format; nil when the element lacks one of its numbers.
  init?(_ format: any NumberFormat, in element: Element, shift: Int = 0) {
    let factor = Float(sign: .plus, exponent: shift, significand: 1)
    var encoded = [UInt8](repeating: 0, count: 256)
    var decoded = [UInt8?](repeating: nil, count: 256)
    for code in 0..<(1 << format.bits) {
      let value = format.decode(UInt8(code))
      // Codes of NaN and infinity, and those beyond a codebook's end, are never given out.
      guard value.isFinite, value >= format.lowest || format is Minifloat else { continue }
      guard let carried = element.code(value * factor) else { return nil }
      encoded[code] = carried
      if decoded[Int(carried)] == nil { decoded[Int(carried)] = UInt8(code) }
    }
    self.init(element: element, shift: shift, encoded: encoded, decoded: decoded)
  }

  /// Carries whole numbers with a zero point: `0 … 2^bits − 1` here, `2^(bits − 1)` less in the file.
  init(asymmetric bits: Int) {
    let half = 1 << (bits - 1)
    var encoded = [UInt8](repeating: 0, count: 256)
    var decoded = [UInt8?](repeating: nil, count: 256)
    for code in 0..<(1 << bits) {
      encoded[code] = UInt8(bitPattern: Int8(code - half))
      decoded[Int(encoded[code])] = UInt8(code)
    }
    self.init(element: .integer(bits: bits), shift: 0, encoded: encoded, decoded: decoded)
  }

  private init(element: Element, shift: Int, encoded: [UInt8], decoded: [UInt8?]) {
    self.element = element
    self.shift = shift
    self.encoded = encoded
    self.decoded = decoded
  }

  /// The narrowest whole numbers that carry a format; nil when none do.
  static func integers(_ format: any NumberFormat) -> CodeCarrier? {
    for bits in 1...8 {
      for shift in 0...7 {
        if let carrier = CodeCarrier(format, in: .integer(bits: bits), shift: shift) {
          return carrier
        }
      }
    }
    return nil
  }

  /// FP8 as carrier; nil when it lacks numbers of the format.
  static func float8(_ format: any NumberFormat) -> CodeCarrier? {
    for shift in [0] + (1...9).flatMap({ [$0, -$0] }) {
      if let carrier = CodeCarrier(format, in: .float8, shift: shift) { return carrier }
    }
    return nil
  }

  /// A scale as the file holds it.
  func stored(_ scale: Float) -> Float {
    shift == 0 ? scale : Float(sign: .plus, exponent: -shift, significand: scale)
  }

  /// A scale of the file as ours.
  func trained(_ scale: Float) -> Float {
    shift == 0 ? scale : Float(sign: .plus, exponent: shift, significand: scale)
  }
}
