/// A borrowed view of valid UTF-8 that reads scalars and their classes at byte offsets.
struct UTF8Text {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let classes: UnsafeBufferPointer<ScalarClass>

  /// Lends a view of `bytes` to `body`.
  static func with<Result>(_ bytes: [UInt8], _ body: (UTF8Text) -> Result) -> Result {
    ScalarClass.ascii.withUnsafeBufferPointer { classes in
      bytes.withUnsafeBufferPointer { body(UTF8Text(bytes: $0, classes: classes)) }
    }
  }

  @inline(__always)
  subscript(offset: Int) -> UInt8 { bytes[offset] }

  /// The number of bytes of the scalar that begins with `lead`.
  @inline(__always)
  static func width(lead: UInt8) -> Int {
    lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
  }

  /// The class of the scalar at `offset` and the offset after it.
  @inline(__always)
  func classified(at offset: Int) -> (scalarClass: ScalarClass, end: Int) {
    let lead = bytes[offset]
    if lead < 0x80 { return (classes[Int(lead)], offset + 1) }
    let end = offset + Self.width(lead: lead)
    return (ScalarClass(scalar(at: offset)), end)
  }

  /// The scalar at `offset`.
  func scalar(at offset: Int) -> Unicode.Scalar {
    let lead = bytes[offset]
    let width = Self.width(lead: lead)
    guard width > 1, offset + width <= bytes.count else { return Unicode.Scalar(lead) }
    var value = UInt32(lead) & (0xFF >> UInt32(width + 1))
    for index in 1..<width { value = value << 6 | UInt32(bytes[offset + index] & 0x3F) }
    return Unicode.Scalar(value) ?? "\u{FFFD}"
  }

  /// The end of the longest run of `scalarClass` that begins at `start` and stays below `end`,
  /// of at most `limit` scalars.
  @inline(__always)
  func endOfRun(
    of scalarClass: ScalarClass, from start: Int, to end: Int, limit: Int = .max
  ) -> Int {
    var position = start
    var count = 0
    while position < end, count < limit {
      let (found, next) = classified(at: position)
      if found != scalarClass { break }
      position = next
      count += 1
    }
    return position
  }
}
