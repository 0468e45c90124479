/// A hash table from pairs of ids to merge ranks.
struct PairTable: Sendable {
  /// The rank of a pair that never merges.
  static let none = UInt32.max

  private struct Entry {
    var pair: UInt64
    var rank: UInt32
  }

  private static let vacant = Entry(pair: .max, rank: none)
  private var slots: [Entry]
  private var shift: UInt64
  private var occupied = 0

  /// An empty table with room for `capacity` pairs.
  init(capacity: Int) {
    var bits: UInt64 = 4
    while 1 << bits < capacity * 2 { bits += 1 }
    slots = Array(repeating: Self.vacant, count: 1 << bits)
    shift = 64 - bits
  }

  /// A pair of ids in one word.
  @inline(__always)
  static func pack(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// The rank at which `left` and `right` merge, or ``none``.
  @inline(__always)
  func rank(_ left: Int32, _ right: Int32) -> UInt32 {
    let pair = Self.pack(left, right)
    return slots.withUnsafeBufferPointer { slots in
      let mask = slots.count - 1
      var place = start(of: pair)
      while true {
        let entry = slots[place]
        if entry.pair == pair { return entry.rank }
        if entry.pair == .max { return Self.none }
        place = (place + 1) & mask
      }
    }
  }

  /// Stores the rank of a pair; a later rank replaces an earlier one.
  mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32) {
    precondition((occupied + 1) * 2 <= slots.count, "PairTable is full")
    let pair = Self.pack(left, right)
    let mask = slots.count - 1
    var place = start(of: pair)
    while slots[place].pair != .max, slots[place].pair != pair { place = (place + 1) & mask }
    if slots[place].pair == .max { occupied += 1 }
    slots[place] = Entry(pair: pair, rank: rank)
  }

  @inline(__always)
  private func start(of pair: UInt64) -> Int {
    Int(truncatingIfNeeded: ByteHash.mixed(pair ^ 0x9E37_79B9_7F4A_7C15) &>> shift)
  }
}
