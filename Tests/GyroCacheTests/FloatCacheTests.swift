import GyroCache
import GyroTensors
import TestSupport
import Testing

@Suite struct FloatCacheTests {
  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor {
    var random = RandomStream(seed: seed)
    return random.normal(shape)
  }

  @Test(arguments: [(8, 1, 3), (64, 2, 2), (72, 1, 1), (128, 2, 8)])
  func scoresAndSumsAreThePlainProducts(size: Int, heads: Int, queryHeads: Int) throws {
    let tokens = 700, queries = 19
    let shape = try CacheShape(keyValueHeads: heads, headSize: size, capacity: tokens)
    let keys = random([tokens, heads * size], 1), values = random([tokens, heads * size], 2)
    let query = random([queries, queryHeads * size], 3)
    let weights = random([queries, queryHeads, tokens], 4)
    for (precision, tolerance) in [(FloatPrecision.float32, Float(1e-4)), (.float16, 3e-2)] {
      var cache = try FloatCache(shape, precision: precision)
      try cache.append(keys: keys, values: values)
      let scores = try cache.scores(query), sums = try cache.weightedValues(weights)
      #expect(scores.shape == [queries, queryHeads, tokens])
      #expect(sums.shape == [queries, queryHeads * size])
      for head in 0..<queryHeads {
        let own = head * heads / queryHeads
        let q = query.sliced(axis: 1, head * size..<(head + 1) * size).contiguous()
        let k = keys.sliced(axis: 1, own * size..<(own + 1) * size).contiguous()
        let v = values.sliced(axis: 1, own * size..<(own + 1) * size).contiguous()
        let w = weights.sliced(axis: 1, head..<head + 1).contiguous().reshaped([queries, tokens])
        expectClose(
          scores.sliced(axis: 1, head..<head + 1).contiguous().elements,
          q.matmul(k, transposingOther: true).elements, relative: tolerance, absolute: tolerance)
        expectClose(
          sums.sliced(axis: 1, head * size..<(head + 1) * size).contiguous().elements,
          w.matmul(v).elements, relative: tolerance, absolute: tolerance)
      }
    }
  }

  @Test func attentionIsCausalAmongTheNewestTokens() throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 16, capacity: 40)
    let keys = random([40, 32], 5), values = random([40, 32], 6), queries = random([8, 64], 7)
    var whole = try FloatCache(shape)
    try whole.append(keys: keys, values: values)
    let together = try whole.attention(queries)
    // One token at a time, each seeing the cache as it was then.
    var growing = try FloatCache(shape)
    func rows(_ x: Tensor, _ range: Range<Int>) -> Tensor {
      x.sliced(axis: 0, range).contiguous()
    }
    try growing.append(keys: rows(keys, 0..<32), values: rows(values, 0..<32))
    for token in 32..<40 {
      try growing.append(
        keys: rows(keys, token..<token + 1), values: rows(values, token..<token + 1))
      let one = try growing.attention(rows(queries, token - 32..<token - 31))
      expectClose(
        rows(together, token - 32..<token - 31), one, relative: 1e-5, absolute: 1e-6, "\(token)")
    }
    #expect(throws: CacheError.self) { try growing.attention(random([41, 64], 8)) }
  }

  @Test func streamingEqualsBulk() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 24, capacity: 50)
    let keys = random([50, 24], 9), values = random([50, 24], 10)
    for precision in FloatPrecision.allCases {
      var bulk = try FloatCache(shape, precision: precision)
      var stream = bulk
      try bulk.append(keys: keys, values: values)
      for token in 0..<50 {
        try stream.append(
          keys: keys.sliced(axis: 0, token..<token + 1),
          values: values.sliced(axis: 0, token..<token + 1))
      }
      #expect(stream.snapshot == bulk.snapshot)
    }
  }

  @Test func aCopyKeepsItsTokens() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 16, capacity: 8)
    var first = try FloatCache(shape)
    try first.append(keys: random([4, 16], 11), values: random([4, 16], 12))
    let copy = first, before = copy.snapshot
    try first.append(keys: random([4, 16], 13), values: random([4, 16], 14))
    #expect(copy.length == 4)
    #expect(copy.snapshot == before)
    #expect(first.snapshot != before)
  }

  @Test func bytesAreThoseOfTheNumbers() throws {
    let shape = try CacheShape(keyValueHeads: 4, headSize: 128, capacity: 4096)
    #expect(try FloatCache(shape).bytes.own == 2 * 4096 * 512 * 4)
    #expect(try FloatCache(shape, precision: .float16).bytes.own == 2 * 4096 * 512 * 2)
  }
}
