/// The types whose blocks have 256 elements.
extension GGUFBlock {
  // MARK: Q4_K and Q5_K

  mutating func readSuperBlock(_ bytes: UnsafePointer<UInt8>) {
    (scale, offset) = (half(bytes), half(bytes + 2))
    let packed = bytes + 4
    for run in 0..<4 {
      steps[run] = packed[run] & 63
      minimums[run] = packed[run + 4] & 63
      steps[run + 4] = packed[run + 8] & 15 | (packed[run] >> 6) << 4
      minimums[run + 4] = packed[run + 8] >> 4 | (packed[run + 4] >> 6) << 4
    }
    let fifth = type == .q5K ? bytes + 16 : nil
    let nibbles = bytes + (type == .q5K ? 48 : 16)
    for pair in 0..<4 {
      readNibbles(nibbles + 32 * pair, at: 64 * pair, distance: 32, subtracting: 0)
      guard let fifth else { continue }
      for place in 0..<32 {
        numbers[64 * pair + place] += Int16((fifth[place] >> (2 * pair)) & 1) * 16
        numbers[64 * pair + 32 + place] += Int16((fifth[place] >> (2 * pair + 1)) & 1) * 16
      }
    }
  }

  func writeSuperBlock(_ bytes: UnsafeMutablePointer<UInt8>) {
    put(scale, bytes)
    put(offset, bytes + 2)
    let packed = bytes + 4
    for run in 0..<4 {
      packed[run] = steps[run] | (steps[run + 4] >> 4) << 6
      packed[run + 4] = minimums[run] | (minimums[run + 4] >> 4) << 6
      packed[run + 8] = steps[run + 4] & 15 | minimums[run + 4] << 4
    }
    for pair in 0..<4 {
      writeNibbles(bytes + 16 + 32 * pair, at: 64 * pair, distance: 32, adding: 0)
    }
  }

  // MARK: Q6_K

  /// Element `128·h + 32·k + l` (k = 0…3): bits 0–3 in half of byte `64·h + 32·(k mod 2) + l`, the
  /// high half for k ≥ 2; bits 4–5 at place 2k of byte `32·h + l` of the second part.
  mutating func readSixBits(_ bytes: UnsafePointer<UInt8>) {
    scale = half(bytes + 208)
    for run in 0..<16 { steps[run] = bytes[192 + run] }
    for place in 0..<256 {
      let (half, quarter, column) = (place / 128, place / 32 % 4, place % 32)
      let low = (bytes[64 * half + 32 * (quarter % 2) + column] >> (quarter / 2 * 4)) & 15
      let high = (bytes[128 + 32 * half + column] >> (2 * quarter)) & 3
      numbers[place] = Int16(low | (high << 4)) - 32
    }
  }

  func writeSixBits(_ bytes: UnsafeMutablePointer<UInt8>) {
    put(scale, bytes + 208)
    for byte in 0..<192 { bytes[byte] = 0 }
    for run in 0..<16 { bytes[192 + run] = steps[run] }
    for place in 0..<256 {
      let (half, quarter, column) = (place / 128, place / 32 % 4, place % 32)
      let code = UInt8(truncatingIfNeeded: numbers[place] + 32)
      bytes[64 * half + 32 * (quarter % 2) + column] |= (code & 15) << (quarter / 2 * 4)
      bytes[128 + 32 * half + column] |= (code >> 4) << (2 * quarter)
    }
  }

  // MARK: TQ1_0

  /// Where five (or, in the last four bytes, four) trits of a byte belong: bytes `start..<start +
  /// width` hold trit n of element `element + n·width + m` in byte `start + m`.
  private static let trits = [
    (start: 0, width: 32, element: 0, digits: 5), (start: 32, width: 16, element: 160, digits: 5),
    (start: 48, width: 4, element: 240, digits: 4),
  ]

  /// A byte is the fraction `Σ tₙ·3⁻ⁿ⁻¹` in 256ths, rounded up: multiplying by 3 brings one trit
  /// after another above the byte.
  mutating func readBaseThree(_ bytes: UnsafePointer<UInt8>) {
    scale = half(bytes + 52)
    for part in Self.trits {
      for column in 0..<part.width {
        var rest = UInt16(bytes[part.start + column])
        for digit in 0..<part.digits {
          rest = (rest & 0xff) * 3
          numbers[part.element + digit * part.width + column] = Int16(rest >> 8) - 1
        }
      }
    }
  }

  func writeBaseThree(_ bytes: UnsafeMutablePointer<UInt8>) {
    put(scale, bytes + 52)
    for part in Self.trits {
      for column in 0..<part.width {
        var value: UInt16 = 0
        for digit in 0..<5 {
          let trit =
            digit < part.digits ? numbers[part.element + digit * part.width + column] + 1 : 0
          value = value * 3 + UInt16(truncatingIfNeeded: trit)
        }
        bytes[part.start + column] = UInt8((value * 256 + 242) / 243)
      }
    }
  }
}
