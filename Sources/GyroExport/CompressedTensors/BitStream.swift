/// Numbers of a few bits each, one after another from the lowest bit of a row on, as
/// compressed-tensors packs them into 32-bit words: a number may lie across two words, and the rest
/// of a row's last word is zero.
enum BitStream {
  /// Words a row of `count` numbers takes.
  static func words(_ count: Int, bits: Int) -> Int { (count * bits + 31) / 32 }

  /// Packs rows of numbers below `2^bits`; the words are little-endian.
  static func packed(
    rows: Int, columns: Int, bits: Int, _ number: (_ row: Int, _ column: Int) -> UInt8
  ) -> [UInt8] {
    let width = 4 * words(columns, bits: bits)
    return [UInt8](unsafeUninitializedCapacity: rows * width) { bytes, count in
      for row in 0..<rows {
        var (word, filled, place) = (UInt32(0), 0, row * width)
        for column in 0..<columns {
          word |= UInt32(number(row, column)) << UInt32(filled)
          filled += bits
          while filled >= 8 {
            bytes[place] = UInt8(truncatingIfNeeded: word)
            place += 1
            word >>= 8
            filled -= 8
          }
        }
        if filled > 0 {
          bytes[place] = UInt8(truncatingIfNeeded: word)
          place += 1
        }
        while place < (row + 1) * width {
          bytes[place] = 0
          place += 1
        }
      }
      count = rows * width
    }
  }

  /// Reads what `packed` wrote, number after number.
  /// - Precondition: `bytes` holds `rows` rows of whole words.
  static func unpack(
    _ bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, bits: Int,
    _ number: (_ row: Int, _ column: Int, _ number: UInt8) -> Void
  ) {
    let width = 4 * words(columns, bits: bits)
    precondition(bytes.count == rows * width, "BitStream: \(bytes.count) bytes, \(rows) × \(width)")
    let mask = UInt32((1 << bits) - 1)
    for row in 0..<rows {
      var (word, filled, place) = (UInt32(0), 0, row * width)
      for column in 0..<columns {
        while filled < bits {
          word |= UInt32(bytes[place]) << UInt32(filled)
          place += 1
          filled += 8
        }
        number(row, column, UInt8(truncatingIfNeeded: word & mask))
        word >>= UInt32(bits)
        filled -= bits
      }
    }
  }
}
