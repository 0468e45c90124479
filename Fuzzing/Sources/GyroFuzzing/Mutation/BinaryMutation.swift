/// Changes to tables of numbers: a field of 1, 2, 4 or 8 bytes becomes a number that readers get wrong.
enum BinaryMutation {
  static func changed(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    guard input.count >= 8, random.below(5) > 0 else {
      return BytesMutation.changed(input, &random)
    }
    var bytes = input
    let width = random.element(of: [1, 2, 4, 4, 8, 8])
    let place = random.below(bytes.count - width + 1)
    var value = (0..<width).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << (8 * $1) }
    switch random.below(4) {
    case 0: value &+= UInt64(bitPattern: Int64(random.below(9) - 4))
    case 1: value = UInt64(max(0, bytes.count - random.below(64)))
    default: value = interesting(&random)
    }
    for byte in 0..<width { bytes[place + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
    return bytes
  }

  /// Powers of two and their neighbors, with either sign.
  static func interesting(_ random: inout SplitMix) -> UInt64 {
    let power = UInt64(1) << UInt64(random.below(64))
    let near = power &+ UInt64(bitPattern: Int64(random.below(3) - 1))
    return random.below(4) == 0 ? 0 &- near : near
  }
}
