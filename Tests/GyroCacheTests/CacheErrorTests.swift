import GyroCache
import GyroTensors
import Testing

@Suite struct CacheErrorTests {
  private let shape: CacheShape
  private let options = QJLOptions(rows: 64, window: 32, seed: 1)

  init() throws { shape = try CacheShape(keyValueHeads: 2, headSize: 16, capacity: 100) }

  private func made(_ tokens: Int = 0) throws -> CombinedCache<QJLKeyCache, GroupValueCache> {
    var cache = try CombinedCache(
      keys: QJLKeyCache(shape, options), values: GroupValueCache(shape, .init(window: 16)))
    var random = RandomStream(seed: 2)
    try cache.append(keys: random.normal([tokens, 32]), values: random.normal([tokens, 32]))
    return cache
  }

  @Test func sketchesShorterThanAWord() {
    let error = CacheError.sketchLength(32, of: "sketch of keys")
    #expect(throws: error) { try QJLKeyCache(shape, QJLOptions(rows: 32)) }
    #expect(
      "\(error)"
        == "the sketch of keys needs whole words of 64 rows, at least one, got 32 rows; try 64")
    #expect(throws: CacheError.sketchLength(100, of: "sketch of outliers")) {
      try QJLKeyCache(shape, QJLOptions(rows: 64, outliers: .apart(channels: 2, rows: 100)))
    }
  }

  @Test func contextsLongerThanTheCache() throws {
    var cache = try made(90)
    let before = cache.snapshot
    let more = Tensor.zeros([11, 32])
    let error = CacheError.capacity(100, held: 90, added: 11)
    #expect(throws: error) { try cache.append(keys: more, values: more) }
    #expect(
      "\(error)"
        == "the cache was made for 100 tokens and holds 90, so 11 more do not fit; make it with a "
        + "capacity of at least 101, or shorten the context")
    #expect(cache.snapshot == before)
    try cache.append(keys: .zeros([10, 32]), values: .zeros([10, 32]))
    #expect(cache.length == 100)
  }

  @Test func headsThatDoNotFitTheKernels() throws {
    let odd = try CacheShape(keyValueHeads: 1, headSize: 20, capacity: 64)
    let error = CacheError.headSize(20, multipleOf: 8, scheme: "qjl")
    #expect(throws: error) { try QJLKeyCache(odd, options) }
    #expect(
      "\(error)"
        == "qjl needs heads of a multiple of 8 elements, got 20; use another scheme for this model")
    let large = try CacheShape(keyValueHeads: 1, headSize: 1024, capacity: 64)
    #expect(throws: CacheError.self) { try QJLKeyCache(large, options) }
    #expect(throws: CacheError.shape(keyValueHeads: 0, headSize: 8, capacity: 1)) {
      try CacheShape(keyValueHeads: 0, headSize: 8, capacity: 1)
    }
  }

  @Test func numbersThatAreNotFiniteNameTokenAndHead() throws {
    for bad in [Float.nan, .infinity, -.infinity] {
      for isKey in [true, false] {
        var cache = try made(5)
        let before = cache.snapshot
        var tensor = Tensor.zeros([4, 32])
        tensor.withMutableElements { $0[2 * 32 + 17] = bad }
        let fine = Tensor.zeros([4, 32])
        #expect(throws: CacheError.notFinite(isKey ? "keys" : "values", token: 7, head: 1)) {
          try cache.append(keys: isKey ? tensor : fine, values: isKey ? fine : tensor)
        }
        #expect(cache.snapshot == before)
      }
    }
    #expect(
      "\(CacheError.notFinite("keys", token: 7, head: 1))".hasPrefix(
        "the keys of token 7, head 1 are not finite"))
  }

  @Test func keysBeyondTheNorm() throws {
    var cache = try made()
    var keys = Tensor.zeros([1, 32])
    keys.withMutableElements { $0[3] = 20000 }
    #expect(
      throws: CacheError.tooLarge("keys", token: 0, head: 0, value: 20000, largest: 16376)
    ) { try cache.append(keys: keys, values: .zeros([1, 32])) }
  }

  @Test func tensorsOfOtherShapes() throws {
    var cache = try made(3)
    #expect(throws: CacheError.self) {
      try cache.append(keys: .zeros([1, 31]), values: .zeros([1, 32]))
    }
    #expect(throws: CacheError.self) {
      try cache.append(keys: .zeros([1, 32]), values: .zeros([2, 32]))
    }
    #expect(throws: CacheError.self) { try cache.scores(.zeros([1, 48])) }
    #expect(throws: CacheError.self) { try cache.weightedValues(.zeros([1, 2, 4])) }
    #expect(cache.length == 3)
  }

  @Test func halvesOfDifferentShapes() throws {
    let other = try CacheShape(keyValueHeads: 2, headSize: 16, capacity: 99)
    #expect(throws: CacheError.self) {
      try CombinedCache(keys: FloatKeyCache(shape), values: FloatValueCache(other))
    }
  }

  @Test func snapshotsReturnUnderTheSameSchemeOnly() throws {
    let cache = try made(100)
    var random = RandomStream(seed: 3)
    let queries = random.normal([1, 64])
    var same = try made()
    try same.restore(cache.snapshot)
    #expect(same.length == 100)
    #expect(try same.attention(queries).elements == cache.attention(queries).elements)
    #expect(same.snapshot == cache.snapshot)

    var changed: [QJLOptions] = Array(repeating: options, count: 5)
    changed[0].seed = 2
    changed[1].kind = .gaussian
    changed[2].rows = 128
    changed[3].outliers = .exact(channels: 2)
    changed[4].correctOrthogonalBias = false
    for options in changed {
      var other = try QJLKeyCache(shape, options)
      let snapshot = cache.keys.snapshot
      #expect(
        throws: CacheError.fingerprint(expected: other.fingerprint, got: snapshot.fingerprint)
      ) { try other.restore(snapshot) }
    }
    var seed = options
    seed.seed = 2
    let error = CacheError.fingerprint(
      expected: try QJLKeyCache(shape, seed).fingerprint, got: cache.keys.fingerprint)
    #expect("\(error)".contains("seed 1"))
    #expect("\(error)".contains("seed 2"))
    var floats = try FloatCache(shape)
    #expect(throws: CacheError.self) { try floats.restore(cache.snapshot) }
  }

  @Test func damagedSnapshots() throws {
    let cache = try made(50)
    var fresh = try made()
    for part in cache.snapshot.parts.keys.sorted() where !cache.snapshot.parts[part]!.isEmpty {
      var snapshot = cache.snapshot
      snapshot.parts[part]!.removeLast()
      #expect(throws: CacheError.self, "\(part)") { try fresh.restore(snapshot) }
      snapshot.parts[part] = nil
      #expect(throws: CacheError.self, "\(part)") { try fresh.restore(snapshot) }
    }
    var snapshot = cache.snapshot
    snapshot.length = 101
    #expect(throws: CacheError.capacity(100, held: 0, added: 101)) { try fresh.restore(snapshot) }
    #expect(fresh.length == 0)
  }
}
