import Foundation
import GyroQuantization
import GyroTensors

/// How a number format's codes lie in a file, and by which operator a runtime decodes them.
///
/// | format                              | stored as         | decoded by                        |
/// |-------------------------------------|-------------------|-----------------------------------|
/// | whole numbers of 2 to 4 bits        | INT4, or UINT4    | DequantizeLinear                  |
/// | whole numbers of 5 to 8 bits        | INT8, or UINT8    | DequantizeLinear                  |
/// | ternary, binary                     | INT4              | DequantizeLinear                  |
/// | E4M3, E5M2                          | FLOAT8            | DequantizeLinear                  |
/// | other small floats and code books   | UINT4, or UINT8   | Gather from the levels, then Mul  |
///
/// The unsigned types are those of codes around a zero point. A code book of whole numbers is stored
/// as its levels, so every runtime with INT4 weights runs it.
struct ONNXCodes: Equatable {
  enum Decoding {
    /// The stored number is the value in units of the scale, once the zero point is taken away.
    case number
    /// The stored number is a float of eight bits.
    case float
    /// The stored number is a place in a table of levels.
    case level
  }

  let type: ONNXTensorProto.DataType
  let decoding: Decoding

  init(_ format: any NumberFormat, isSymmetric: Bool) {
    let isSmall = format.bits <= 4
    if !isSymmetric {
      (type, decoding) = (isSmall ? .uint4 : .uint8, .number)
    } else if let integers = format as? IntegerFormat {
      type =
        integers.isSigned ? (isSmall ? .int4 : .int8) : (isSmall ? .uint4 : .uint8)
      decoding = .number
    } else if let float = format as? Minifloat, float == .e4m3 || float == .e5m2 {
      (type, decoding) = (float == .e4m3 ? .float8E4M3Fn : .float8E5M2, .float)
    } else if let codebook = format as? Codebook, Self.isWhole(codebook) {
      (type, decoding) = (.int4, .number)
    } else {
      (type, decoding) = (isSmall ? .uint4 : .uint8, .level)
    }
  }

  /// Whether a code book's levels are those of INT4, and its name alone says what they are.
  private static func isWhole(_ codebook: Codebook) -> Bool {
    codebook == .ternary || codebook == .binary
  }

  /// What is stored for each code of a format.
  func numbers(_ format: any NumberFormat, isSymmetric: Bool) -> [UInt8] {
    let mask = UInt8(type == .int4 || type == .uint4 ? 0x0f : 0xff)
    return (0..<256).map { code in
      let code = UInt8(code)
      guard decoding == .number, isSymmetric else { return code & mask }
      let count = 1 << format.bits
      guard Int(code) < count else { return 0 }
      return UInt8(truncatingIfNeeded: Int(format.decode(code))) & mask
    }
  }

  /// The code of each stored number; nil for numbers that are none.
  func codes(_ format: any NumberFormat, isSymmetric: Bool) -> [UInt8?] {
    var codes = [UInt8?](repeating: nil, count: 256)
    let numbers = numbers(format, isSymmetric: isSymmetric)
    let count = (format as? Codebook)?.levels.count ?? 1 << format.bits
    for code in (0..<count).reversed() {
      let code = UInt8(code)
      // A format without its lowest code still decodes it; a weight is never NaN or infinite.
      let value = format.decode(code)
      if isSymmetric, value < format.lowest || !value.isFinite { continue }
      codes[Int(numbers[Int(code)])] = code
    }
    return codes
  }

  /// The levels that places in a table stand for.
  static func levels(_ format: any NumberFormat) -> [Float] {
    if let codebook = format as? Codebook { return codebook.levels }
    return (0..<(1 << format.bits)).map { format.decode(UInt8($0)) }
  }

  // MARK: Bytes

  /// Whether two numbers share a byte, the first in the low bits.
  var isPacked: Bool { type == .int4 || type == .uint4 }

  /// Bytes that so many numbers take.
  func byteCount(_ count: Int) -> Int { isPacked ? (count + 1) / 2 : count }

  /// Numbers as bytes of a file.
  func packed(_ numbers: [UInt8]) -> Data {
    guard isPacked else { return Data(numbers) }
    var bytes = Data(count: byteCount(numbers.count))
    bytes.withUnsafeMutableBytes { bytes in
      for (place, number) in numbers.enumerated() {
        bytes[place / 2] |= place.isMultiple(of: 2) ? number & 0x0f : number << 4
      }
    }
    return bytes
  }

  /// So many numbers from bytes of a file.
  /// - Precondition: `byteCount(count)` bytes.
  func unpacked(_ bytes: Data, count: Int) -> [UInt8] {
    precondition(bytes.count == byteCount(count), "ONNXCodes: \(bytes.count) bytes, \(count) codes")
    guard isPacked else { return [UInt8](bytes) }
    return bytes.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
      (0..<count).map { $0.isMultiple(of: 2) ? bytes[$0 / 2] & 0x0f : bytes[$0 / 2] >> 4 }
    }
  }
}

extension ONNXCodes {
  /// The type's name, for reports.
  var name: String {
    switch type {
    case .int4: "INT4"
    case .uint4: decoding == .level ? "UINT4 levels" : "UINT4"
    case .int8: "INT8"
    case .uint8: decoding == .level ? "UINT8 levels" : "UINT8"
    case .float8E4M3Fn: "FLOAT8E4M3FN"
    default: "FLOAT8E5M2"
    }
  }
}
