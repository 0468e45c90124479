/// Changes inputs where their readers make decisions: lengths, counts, types, nesting, names.
///
/// libFuzzer's own mutations, guided by comparisons it sees, are used as well; these know the
/// structure, which blind ones rarely keep.
public struct Mutator: Sendable {
  private let shape: FuzzTarget.Shape

  public init(_ shape: FuzzTarget.Shape) { self.shape = shape }

  /// A changed copy, not longer than `limit`.
  public func mutate(_ input: [UInt8], limit: Int, _ random: inout SplitMix) -> [UInt8] {
    var changed = input
    for _ in 0...(random.below(2) * random.below(4)) {
      changed = Self.changed(changed, shape, &random)
    }
    return Array(changed.prefix(limit))
  }

  private static func changed(
    _ input: [UInt8], _ shape: FuzzTarget.Shape, _ random: inout SplitMix
  ) -> [UInt8] {
    if random.below(24) == 0 { return BytesMutation.changed(input, &random) }
    switch shape {
    case .json: return JSONMutation.changed(input, &random)
    case .yaml: return TextMutation.changed(input, &random)
    case .binary: return BinaryMutation.changed(input, &random)
    case .protobuf: return ProtobufMutation.changed(input, &random)
    case .safetensors: return safetensors(input, &random)
    case .pair(let first, let second):
      var pair = FilePair(input)
      if random.below(2) == 0 {
        pair.first = changed(pair.first, first, &random)
      } else {
        pair.second = changed(pair.second, second, &random)
      }
      return pair.bytes
    }
  }

  /// Changes the header and mostly keeps its length right, or changes the data.
  private static func safetensors(_ input: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    guard input.count > 8 else { return BytesMutation.changed(input, &random) }
    let length = (0..<8).reduce(0) { $0 | (Int(input[$1]) & 0x7F) << (8 * $1) }
    let end = 8 + min(length, input.count - 8)
    if random.below(8) == 0 {
      return Array(input[..<end]) + BinaryMutation.changed(Array(input[end...]), &random)
    }
    let header = JSONMutation.changed(Array(input[8..<end]), &random)
    let said = random.below(10) == 0 ? BinaryMutation.interesting(&random) : UInt64(header.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: said >> (8 * $0)) } + header + input[end...]
  }
}
