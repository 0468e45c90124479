import GyroTensors

/// A 64-bit checksum against damage in storage (not against malice). Each step is a bijection of
/// its lane, so a change within one word is always noticed.
struct Checksum {
  private var lanes: (UInt64, UInt64, UInt64, UInt64) = (
    0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0x2545_f491_4f6c_dd1d
  )
  private var length: UInt64 = 0

  private static func mix(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let mixed = lane ^ word
    return ((mixed << 29) | (mixed >> 35)) &* 0x100_0000_01b3
  }

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var (a, b, c, d) = lanes
    let whole = bytes.count / 32 * 32
    var place = 0
    while place < whole {
      a = Self.mix(a, bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self).littleEndian)
      b = Self.mix(b, bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self).littleEndian)
      c = Self.mix(c, bytes.loadUnaligned(fromByteOffset: place + 16, as: UInt64.self).littleEndian)
      d = Self.mix(d, bytes.loadUnaligned(fromByteOffset: place + 24, as: UInt64.self).littleEndian)
      place += 32
    }
    while place < bytes.count {
      a = Self.mix(a, UInt64(bytes[place]))
      place += 1
    }
    lanes = (a, b, c, d)
  }

  mutating func add(_ text: String) {
    Array(text.utf8).withUnsafeBytes { add($0) }
  }

  mutating func add(_ name: String, _ tensor: Tensor) {
    add("\(name) \(tensor.shape)\n")
    tensor.withElements { add(UnsafeRawBufferPointer(start: $0, count: tensor.count * 4)) }
  }

  /// The checksum as 16 hexadecimal digits.
  var text: String {
    var value = length
    for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
      value = Self.mix(value, lane)
      value ^= value >> 31
    }
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
