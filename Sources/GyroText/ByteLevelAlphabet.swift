/// The byte-level alphabet: every byte has a printable scalar, so that a vocabulary of strings can
/// spell any byte string. Printable Latin-1 bytes stand for themselves; the others, in order, are
/// the scalars from U+0100 on.
enum ByteLevelAlphabet {
  /// The scalar of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF:
        return Unicode.Scalar(UInt8(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next)!
      }
    }
  }()

  /// The byte of each scalar below U+0144, or -1 where the scalar is not in the alphabet.
  private static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = Int16(byte) }
    return table
  }()

  /// The UTF-8 spelling of `bytes` in the alphabet.
  static func spell(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.flatMap { Array(UTF8.encode(scalars[Int($0)])!) }
  }

  /// The bytes that `spelling` (UTF-8) stands for, or nil when a scalar is not in the alphabet.
  static func bytes(spelledBy spelling: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(spelling.count)
    var position = 0
    while position < spelling.count {
      let lead = spelling[position]
      var value = Int(lead)
      if lead >= 0x80 {
        guard lead < 0xE0, position + 1 < spelling.count else { return nil }
        value = Int(lead & 0x1F) << 6 | Int(spelling[position + 1] & 0x3F)
        position += 1
      }
      position += 1
      guard value < bytes.count, bytes[value] >= 0 else { return nil }
      result.append(UInt8(bytes[value]))
    }
    return result
  }
}
