/// A hash table from byte strings to ids: equality is equality of bytes, never of characters.
struct ByteStringTable: Sendable {
  private struct Entry {
    var hash: UInt32
    var start: Int32
    var count: Int32
    var identifier: Int32
  }

  private var arena: [UInt8] = []
  private var slots: [Entry]
  private var occupied = 0
  private static let vacant = Entry(hash: 0, start: 0, count: -1, identifier: -1)

  /// An empty table with room for `capacity` keys.
  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: Self.vacant, count: size)
  }

  /// The id stored for `key`.
  subscript(key: [UInt8]) -> Int32? {
    key.withUnsafeBufferPointer { self[$0] }
  }

  /// The id stored for `key`.
  subscript(key: UnsafeBufferPointer<UInt8>) -> Int32? {
    let entry = slots[slot(of: key, hash: ByteHash.hash(key))]
    return entry.count < 0 ? nil : entry.identifier
  }

  /// Stores `identifier` for `key` and returns the id that stood there before.
  @discardableResult
  mutating func insert(_ key: [UInt8], _ identifier: Int32) -> Int32? {
    if (occupied + 1) * 2 > slots.count { grow() }
    let hash = ByteHash.hash(key)
    let place = key.withUnsafeBufferPointer { slot(of: $0, hash: hash) }
    let previous = slots[place]
    if previous.count >= 0 {
      slots[place].identifier = identifier
      return previous.identifier
    }
    slots[place] = Entry(
      hash: hash, start: Int32(arena.count), count: Int32(key.count), identifier: identifier)
    arena.append(contentsOf: key)
    occupied += 1
    return nil
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: Self.vacant, count: old.count * 2)
    for entry in old where entry.count >= 0 {
      var place = Int(entry.hash) & (slots.count - 1)
      while slots[place].count >= 0 { place = (place + 1) & (slots.count - 1) }
      slots[place] = entry
    }
  }

  /// The slot that holds `key`, or the vacant one where it belongs.
  private func slot(of key: UnsafeBufferPointer<UInt8>, hash: UInt32) -> Int {
    let mask = slots.count - 1
    var place = Int(hash) & mask
    while true {
      let entry = slots[place]
      if entry.count < 0 { return place }
      if entry.hash == hash, Int(entry.count) == key.count, matches(entry, key) { return place }
      place = (place + 1) & mask
    }
  }

  private func matches(_ entry: Entry, _ key: UnsafeBufferPointer<UInt8>) -> Bool {
    arena.withUnsafeBufferPointer { arena in
      let start = Int(entry.start)
      return key.elementsEqual(arena[start..<start + key.count])
    }
  }
}

/// The hash of byte strings: eight bytes at a time, multiply and fold.
enum ByteHash {
  @inline(__always)
  static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
    var state = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
    var position = 0
    while position + 8 <= bytes.count {
      let word = UnsafeRawBufferPointer(bytes).loadUnaligned(
        fromByteOffset: position, as: UInt64.self)
      state = mixed(state ^ word)
      position += 8
    }
    var rest: UInt64 = 0
    while position < bytes.count {
      rest = rest << 8 | UInt64(bytes[position])
      position += 1
    }
    state = mixed(state ^ rest ^ 0xD6E8_FEB8_6659_FD93)
    return UInt32(truncatingIfNeeded: state)
  }

  static func hash(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBufferPointer { hash($0) }
  }

  @inline(__always)
  static func mixed(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
    return product.high ^ product.low
  }
}
