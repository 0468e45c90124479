/// Rows of numbers of a few bits each, as packed files hold them: one after another from the lowest
/// bit of a row's first byte on, across bytes where they have to; a row ends in zeros up to the next
/// whole word.
package struct BitRows: Sendable {
  package let rows: Int, columns: Int
  /// Bits of a number, 1 to 8.
  package let bits: Int
  /// Bytes of a row.
  package let rowBytes: Int

  /// - Parameter wordBytes: what the bytes of a row are a multiple of.
  package init(rows: Int, columns: Int, bits: Int, wordBytes: Int = 1) {
    self.rows = rows
    self.columns = columns
    self.bits = bits
    rowBytes = (columns * bits + 8 * wordBytes - 1) / (8 * wordBytes) * wordBytes
  }

  /// Bytes of all rows.
  package var byteCount: Int { rows * rowBytes }

  /// The bytes of numbers that are looked up, one for each of `codes`.
  ///
  /// - Parameters:
  ///   - codes: `rows · columns` of them, row-major.
  ///   - table: 256 numbers below `2^bits`.
  package func packed(_ codes: UnsafePointer<UInt8>, by table: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { bytes, count in
      table.withUnsafeBufferPointer { table in
        for row in 0..<rows {
          let line = codes + row * columns
          var (held, filled, place) = (UInt32(0), 0, row * rowBytes)
          for column in 0..<columns {
            held |= UInt32(table[Int(line[column])]) << UInt32(filled)
            filled += bits
            if filled >= 8 {
              bytes[place] = UInt8(truncatingIfNeeded: held)
              place += 1
              held >>= 8
              filled -= 8
            }
          }
          while place < (row + 1) * rowBytes {
            bytes[place] = UInt8(truncatingIfNeeded: held)
            place += 1
            held = 0
          }
        }
      }
      count = byteCount
    }
  }

  /// Reads what `packed` wrote.
  ///
  /// - Parameter numbers: room for `rows · columns` of them.
  /// - Precondition: `byteCount` bytes.
  package func unpack(_ bytes: [UInt8], into numbers: UnsafeMutablePointer<UInt8>) {
    precondition(bytes.count == byteCount, "BitRows: \(bytes.count) bytes for \(byteCount)")
    let mask = UInt32(1) << UInt32(bits) - 1
    bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<rows {
        let line = numbers + row * columns
        var (held, filled, place) = (UInt32(0), 0, row * rowBytes)
        for column in 0..<columns {
          if filled < bits {
            held |= UInt32(bytes[place]) << UInt32(filled)
            place += 1
            filled += 8
          }
          line[column] = UInt8(truncatingIfNeeded: held & mask)
          held >>= UInt32(bits)
          filled -= bits
        }
      }
    }
  }
}
