import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

/// Laws that hold for every scheme of codes.
struct CodedCacheTests {
  static let size = 64
  static let heads = 2

  /// Runs `body` for the keys of every scheme.
  private func forAllKeys(_ body: (any CodedLaws) throws -> Void) rethrows {
    for scheme in CodedSchemes.turbo { try body(Laws<TurboCodes>(scheme: scheme)) }
    for scheme in CodedSchemes.polar { try body(Laws<PolarCodes>(scheme: scheme)) }
    for scheme in CodedSchemes.perToken { try body(Laws<IntegerCodes>(scheme: scheme)) }
    for scheme in CodedSchemes.perChannel { try body(Laws<IntegerCodes>(scheme: scheme)) }
  }

  @Test func scoresAreInnerProductsWithWhatTheCodesStandFor() throws {
    try forAllKeys { try $0.scoresAreInnerProducts() }
  }

  @Test func weightedValuesAreSumsOfWhatTheCodesStandFor() throws {
    try forAllKeys { try $0.sumsAreSums() }
  }

  @Test func streamingEqualsBulkBitForBit() throws {
    try forAllKeys { try $0.streamingEqualsBulk() }
  }

  @Test func aSnapshotRestoresTheSameCacheAndNoOther() throws {
    try forAllKeys { try $0.snapshotsRestore() }
  }

  @Test func moreThreadsGiveTheSameBits() throws {
    try forAllKeys { try $0.threadsAgree() }
  }

  @Test func badInputIsRefusedAndChangesNothing() throws {
    try forAllKeys { try $0.badInputIsRefused() }
  }
}

/// The laws for one scheme.
private protocol CodedLaws {
  func scoresAreInnerProducts() throws
  func sumsAreSums() throws
  func streamingEqualsBulk() throws
  func snapshotsRestore() throws
  func threadsAgree() throws
  func badInputIsRefused() throws
}

private struct Laws<Codes: TokenCodes>: CodedLaws {
  let scheme: Codes.Scheme
  let size = CodedCacheTests.size, heads = CodedCacheTests.heads
  var rows: Tensor { normalRows(77, heads * size) }
  var name: String { "\(scheme)" }

  private func isForValues() throws -> Bool {
    try Codes(CacheShape(keyValueHeads: heads, headSize: size, capacity: 1), scheme).holdsValues
  }

  func scoresAreInnerProducts() throws {
    let cache = try CodedKeyCache<Codes>.holding(rows, scheme, heads: heads)
    let queries = normalRows(3, 2 * heads * size, seed: 5)
    expectClose(
      try cache.scores(queries).elements, exactScores(queries, cache.decoded(), size: size),
      relative: 1e-4, absolute: 2e-4, name)
  }

  func sumsAreSums() throws {
    guard try isForValues() else {
      #expect(throws: CacheError.self, "\(name)") {
        try CodedValueCache<Codes>.holding(rows, scheme, heads: heads)
      }
      return
    }
    let cache = try CodedValueCache<Codes>.holding(rows, scheme, heads: heads)
    let weights = normalRows(3, 2 * heads * 77, seed: 6).reshaped(to: [3, 2 * heads, 77])
    expectClose(
      try cache.weightedValues(weights).elements,
      exactSums(weights, cache.decoded(), size: size), relative: 1e-4, absolute: 3e-4, name)
  }

  func streamingEqualsBulk() throws {
    let rows = rows
    let bulk = try CodedKeyCache<Codes>.holding(rows, scheme, heads: heads, capacity: 90)
    for steps in [[1], [3, 40, 7], [31, 1, 1, 44]] {
      var (cache, start, step) = (
        try CodedKeyCache<Codes>.holding(
          rows.sliced(axis: 0, 0..<0), scheme, heads: heads, capacity: 90), 0, 0
      )
      while start < 77 {
        let end = min(start + steps[step % steps.count], 77)
        try cache.append(rows.sliced(axis: 0, start..<end))
        (start, step) = (end, step + 1)
      }
      #expect(cache.bytes == bulk.bytes, "\(name)")
      expectSameBits(cache.decoded(), bulk.decoded(), name)
      let (a, b) = (cache.snapshot, bulk.snapshot)
      #expect(a.parts.keys.sorted() == b.parts.keys.sorted(), "\(name)")
      for part in b.parts.keys where part != "recent" {
        expectSame(a.parts[part] ?? [], b.parts[part]!, "\(name) \(part)")
      }
    }
  }

  func snapshotsRestore() throws {
    let queries = normalRows(1, heads * size, seed: 5)
    for tokens in [10, 77] {
      let rows = rows.sliced(axis: 0, 0..<tokens)
      let cache = try CodedKeyCache<Codes>.holding(rows, scheme, heads: heads, capacity: 80)
      var other = try CodedKeyCache<Codes>(cache.shape, scheme)
      try other.restore(cache.snapshot)
      #expect(other.length == tokens)
      expectSameBits(try other.scores(queries), try cache.scores(queries), name)
      // It goes on as the first would.
      var (a, b) = (cache, other)
      try a.append(self.rows.sliced(axis: 0, 0..<3))
      try b.append(self.rows.sliced(axis: 0, 0..<3))
      expectSameBits(a.decoded(), b.decoded(), name)
      var wrong = cache.snapshot
      wrong.fingerprint += " "
      #expect(throws: CacheError.self) { try other.restore(wrong) }
      wrong = cache.snapshot
      wrong.parts["codes"] = nil
      wrong.parts["instance 0 codes"] = nil
      wrong.parts["instance 0 signs codes"] = nil
      #expect(throws: CacheError.self) { try other.restore(wrong) }
      expectSameBits(try other.scores(queries), try cache.scores(queries), name)
    }
  }

  func threadsAgree() throws {
    let rows = normalRows(700, heads * size)
    let cache = try CodedKeyCache<Codes>.holding(rows, scheme, heads: heads)
    let queries = normalRows(2, heads * size, seed: 5)
    try withThreads(1) {
      let one = try cache.scores(queries)
      try withThreads(3) { expectSameBits(try cache.scores(queries), one, name) }
    }
    guard try isForValues() else { return }
    let values = try CodedValueCache<Codes>.holding(rows, scheme, heads: heads)
    let weights = normalRows(1, heads * 700, seed: 6).reshaped(to: [1, heads, 700])
    try withThreads(1) {
      let one = try values.weightedValues(weights)
      try withThreads(3) { expectSameBits(try values.weightedValues(weights), one, name) }
    }
  }

  func badInputIsRefused() throws {
    var cache = try CodedKeyCache<Codes>.holding(rows, scheme, heads: heads, capacity: 80)
    let before = cache.decoded()
    var bad = normalRows(2, heads * size)
    bad.withMutableElements { $0[size + 5] = .nan }
    #expect(throws: CacheError.notFinite("keys", token: 77, head: 1)) { try cache.append(bad) }
    bad.withMutableElements { $0[size + 5] = 1e6 }
    #expect(throws: CacheError.self) { try cache.append(bad) }
    #expect(throws: CacheError.capacity(80, held: 77, added: 4)) {
      try cache.append(normalRows(4, heads * size))
    }
    #expect(throws: CacheError.self) { try cache.append(normalRows(1, 3)) }
    #expect(throws: CacheError.self) { try cache.scores(normalRows(1, size)) }
    #expect(cache.length == 77)
    expectSameBits(cache.decoded(), before, name)
  }
}
