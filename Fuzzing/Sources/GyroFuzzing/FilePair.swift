/// Two files in one input: `u16 length | first | second`, little-endian. Every input is a pair: a
/// length beyond the end gives all to the first.
public struct FilePair {
  public var first: [UInt8]
  public var second: [UInt8]

  public init(_ first: [UInt8], _ second: [UInt8]) {
    self.first = first
    self.second = second
  }

  public init(_ bytes: [UInt8]) {
    guard bytes.count >= 2 else {
      self.init(bytes, [])
      return
    }
    let length = min(Int(bytes[0]) | Int(bytes[1]) << 8, bytes.count - 2)
    self.init(Array(bytes[2..<2 + length]), Array(bytes[(2 + length)...]))
  }

  public var bytes: [UInt8] {
    let length = min(first.count, Int(UInt16.max))
    return [UInt8(length & 255), UInt8(length >> 8)] + first.prefix(length) + second
  }
}
