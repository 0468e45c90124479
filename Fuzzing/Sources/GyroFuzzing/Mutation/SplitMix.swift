/// Steele, Lea and Flood's SplitMix64: a mutation is a function of libFuzzer's seed.
public struct SplitMix {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  /// A number from 0 to `bound - 1`.
  public mutating func below(_ bound: Int) -> Int {
    bound <= 1 ? 0 : Int(next() % UInt64(bound))
  }

  mutating func element<Value>(of values: [Value]) -> Value { values[below(values.count)] }

  /// A range within `count`, not empty when there is anything, mostly short.
  mutating func range(within count: Int) -> Range<Int> {
    guard count > 0 else { return 0..<0 }
    let start = below(count)
    let longest = below(4) == 0 ? count - start : min(count - start, 16)
    return start..<start + 1 + below(longest)
  }
}
