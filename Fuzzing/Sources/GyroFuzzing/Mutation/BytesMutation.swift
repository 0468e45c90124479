/// Changes that fit any input: cuts, doubled pieces, moved pieces, flipped bits.
enum BytesMutation {
  static func changed(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = input
    guard !bytes.isEmpty else { return [UInt8(random.below(256))] }
    switch random.below(6) {
    case 0:
      bytes.removeLast(random.below(bytes.count) + 1)
    case 1:
      bytes.removeSubrange(random.range(within: bytes.count))
    case 2:
      let piece = bytes[random.range(within: bytes.count)]
      bytes.insert(contentsOf: piece, at: random.below(bytes.count + 1))
    case 3:
      let piece = Array(bytes[random.range(within: bytes.count)])
      bytes.replaceSubrange(random.range(within: bytes.count), with: piece)
    case 4:
      bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
    default:
      bytes[random.below(bytes.count)] = random.element(of: [0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x7B])
    }
    return bytes
  }
}
