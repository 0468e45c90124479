/// Changes to protocol buffers: a varint becomes another, so that lengths, tags and counts lie.
enum ProtobufMutation {
  static func changed(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    guard !input.isEmpty, random.below(4) > 0 else {
      return BinaryMutation.changed(input, &random)
    }
    let start = random.below(input.count)
    var end = start
    while end < input.count - 1, input[end] & 0x80 != 0 { end += 1 }
    let value =
      random.below(2) == 0
      ? BinaryMutation.interesting(&random)
      : UInt64(max(0, Int(input[start] & 0x7F) + random.below(9) - 4))
    var varint: [UInt8] = []
    var rest = value
    repeat {
      varint.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return Array(input[..<start]) + varint + input[(end + 1)...]
  }
}
