/// Random Unicode texts, the same for the same seed.
struct RandomText {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// A number below `bound`.
  mutating func number(below bound: Int) -> Int { Int(next() % UInt64(bound)) }

  private mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }

  /// A text of up to `limit` scalars: half of them common ones, half of them any at all.
  mutating func text(limit: Int) -> String {
    let common = Array(
      "etaoin shrdlu '\t\r\n0129.,!?\u{301}\u{212B}\u{1F600}\u{200D}".unicodeScalars)
    var result = String.UnicodeScalarView()
    for _ in 0..<next() % UInt64(limit) {
      if next() % 2 == 0 {
        result.append(common[Int(next() % UInt64(common.count))])
      } else if let scalar = Unicode.Scalar(UInt32(next() % 0x110000)) {
        result.append(scalar)
      }
    }
    return String(result)
  }
}
