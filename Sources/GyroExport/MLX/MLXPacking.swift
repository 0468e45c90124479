/// Unsigned codes as the bytes of 32-bit words: each row one stream of bits, lowest first.
enum MLXPacking {
  /// - Parameter code: the code at a place; less than `1 << bits`.
  static func packed(
    rows: Int, columns: Int, bits: Int, _ code: (_ place: Int) -> UInt8
  ) -> [UInt8] {
    precondition((columns * bits).isMultiple(of: 32), "MLX: rows of \(columns) · \(bits) bits")
    return [UInt8](unsafeUninitializedCapacity: rows * columns * bits / 8) { bytes, count in
      var (stream, held, next) = (UInt32(0), 0, 0)
      for place in 0..<rows * columns {
        stream |= UInt32(code(place)) << UInt32(held)
        held += bits
        while held >= 8 {
          bytes[next] = UInt8(truncatingIfNeeded: stream)
          next += 1
          stream >>= 8
          held -= 8
        }
      }
      count = next
    }
  }

  /// Reads what `packed` wrote.
  static func unpacked(
    _ bytes: [UInt8], count: Int, bits: Int, into codes: UnsafeMutablePointer<UInt8>
  ) {
    precondition(bytes.count * 8 == count * bits, "MLX: \(count) codes in \(bytes.count) bytes")
    let mask = UInt32(1) << UInt32(bits) - 1
    bytes.withUnsafeBufferPointer { bytes in
      var (stream, held, next) = (UInt32(0), 0, 0)
      for place in 0..<count {
        while held < bits {
          stream |= UInt32(bytes[next]) << UInt32(held)
          next += 1
          held += 8
        }
        codes[place] = UInt8(truncatingIfNeeded: stream & mask)
        stream >>= UInt32(bits)
        held -= bits
      }
    }
  }
}
