import Foundation
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

struct TurboCacheTests {
  private func cache(_ tokens: Int, _ size: Int, heads: Int = 1, _ scheme: TurboScheme) throws
    -> (TurboKeyCache, Tensor)
  {
    let keys = normalRows(tokens, heads * size, seed: UInt64(size))
    return (try .holding(keys, scheme, heads: heads), keys)
  }

  @Test(arguments: [
    (16, [0.34319, 0.10585, 0.03008, 0.00809]), (64, [0.35839, 0.11453, 0.03339, 0.00913]),
    (128, [0.36089, 0.11600, 0.03397, 0.00931]),
  ])
  func theSquaredErrorIsTheCodebooksDistortion(size: Int, expected: [Double]) throws {
    let tokens = 400_000 / size
    for (place, distortion) in expected.enumerated() {
      let (cache, keys) = try cache(tokens, size, TurboScheme(bits: place + 1))
      // Per row, relative to its norm.
      let (a, b) = (cache.decoded().elements, keys.elements)
      var mean = 0.0
      for row in 0..<tokens {
        let range = row * size..<(row + 1) * size
        mean += relativeError(Array(a[range]), Array(b[range])) / Double(tokens)
      }
      #expect(abs(mean / distortion - 1) < 0.01, "d = \(size), \(place + 1) bits: \(mean)")
    }
  }

  @Test func aHadamardRotationServesAsWell() throws {
    let (cache, keys) = try cache(
      3000, 128, TurboScheme(bits: 2, rotation: .hadamard(seed: 4)))
    #expect(abs(relativeError(cache.decoded().elements, keys.elements) / 0.1160 - 1) < 0.01)
  }

  @Test func aRotationMakesAnyRowAsGoodAsANormalOne() throws {
    var keys = Tensor.zeros([512, 128])
    keys.withMutableElements { key in
      for row in 0..<512 {
        key[row * 128 + row % 128] = 3
        key[row * 128 + (row * 7 + 1) % 128] += 1
      }
    }
    let rotated = try TurboKeyCache.holding(keys, TurboScheme(bits: 3), heads: 1)
    let plain = try TurboKeyCache.holding(
      keys, TurboScheme(bits: 3, rotation: .none), heads: 1)
    let error = relativeError(rotated.decoded().elements, keys.elements)
    #expect(error < 0.045, "\(error)")
    #expect(relativeError(plain.decoded().elements, keys.elements) > 0.3)
  }

  /// Averages of the estimate of ⟨q, k⟩ over rotations and sketches, for unit vectors with a product
  /// of 0.6: mean, its standard error, second moment of the error.
  private func estimates(
    _ scheme: (UInt64) -> TurboScheme, size: Int = 64, seeds: Int, tokens: Int
  ) throws -> (mean: Double, deviation: Double, variance: Double) {
    var (sum, squares, means) = (0.0, 0.0, [Double]())
    for seed in 0..<UInt64(seeds) {
      var keys = normalRows(tokens, size, seed: seed)
      let query = normalRows(1, size, seed: 77)
      let q = query.elements, norm = q.reduce(0) { $0 + $1 * $1 }.squareRoot()
      // Each key: 0.6 q + 0.8 of something orthogonal to q.
      keys.withMutableElements { key in
        for row in 0..<tokens {
          let line = key + row * size
          let along = (0..<size).reduce(Float(0)) { $0 + line[$1] * q[$1] } / norm
          for i in 0..<size { line[i] -= along * q[i] / norm }
          let rest = (0..<size).reduce(Float(0)) { $0 + line[$1] * line[$1] }.squareRoot()
          for i in 0..<size { line[i] = 0.6 * q[i] / norm + 0.8 * line[i] / rest }
        }
      }
      let cache = try TurboKeyCache.holding(keys, scheme(seed), heads: 1)
      let scores = try cache.scores(query * (1 / norm)).elements
      var mean = 0.0
      for score in scores {
        mean += Double(score) / Double(tokens)
        squares += pow(Double(score) - 0.6, 2) / Double(tokens * seeds)
      }
      means.append(mean)
      sum += mean / Double(seeds)
    }
    let spread = means.reduce(0) { $0 + ($1 - sum) * ($1 - sum) } / Double(seeds - 1)
    return (sum, (spread / Double(seeds)).squareRoot(), squares)
  }

  @Test(arguments: 1...4)
  func theEstimateOfLeastSquaresShrinksByTheDistortion(bits: Int) throws {
    let distortion = TurboCodebook(bits: bits, dimension: 64).distortion
    let found = try estimates(
      { TurboScheme(bits: bits, rotation: .orthogonal(seed: $0)) }, seeds: 16, tokens: 2000)
    #expect(abs(found.mean - 0.6 * (1 - distortion)) < 4 * found.deviation + 2e-4)
    #expect(0.6 - found.mean > 4 * found.deviation, "\(bits) bits: the bias is there")
  }

  @Test(arguments: 1...4)
  func theEstimateWithASketchIsUnbiased(bits: Int) throws {
    let found = try estimates(
      {
        TurboScheme(
          bits: bits, estimator: .innerProduct, rotation: .orthogonal(seed: $0), seed: $0)
      }, seeds: 40, tokens: 1000)
    #expect(abs(found.mean - 0.6) < 3.5 * found.deviation, "\(found)")
  }

  /// E over directions of (⟨y, x̃⟩ − ⟨y, x⟩)²·d for unit x and y.
  @Test(arguments: [
    (128, [1.5708, 0.5669, 0.1822, 0.0534]), (64, [1.5708, 0.5630, 0.1799, 0.0524]),
  ])
  func theVarianceWithASketchIsThatOfTheTable(size: Int, expected: [Double]) throws {
    for (place, expected) in expected.enumerated() {
      var sum = 0.0
      let (seeds, tokens, queries) = (6, 1500, 4)
      for seed in 0..<UInt64(seeds) {
        let keys = normalRows(tokens, size, seed: seed), q = normalRows(queries, size, seed: 99)
        let scheme = TurboScheme(
          bits: place + 1, estimator: .innerProduct, rotation: .orthogonal(seed: seed), seed: seed)
        let cache = try TurboKeyCache.holding(keys, scheme, heads: 1)
        let scores = try cache.scores(q).elements, exact = exactScores(q, keys, size: size)
        let norms = (0..<tokens).map { row in
          keys.elements[row * size..<(row + 1) * size].reduce(0.0) { $0 + Double($1 * $1) }
        }
        let powers = (0..<queries).map { row in
          q.elements[row * size..<(row + 1) * size].reduce(0.0) { $0 + Double($1 * $1) }
        }
        for i in scores.indices {
          sum += pow(Double(scores[i] - exact[i]), 2) / norms[i % tokens] / powers[i / tokens]
        }
      }
      // The part of the variance that a product takes off, ⟨y, r⟩²/d, is 1/d of it on average.
      let found = sum / Double(seeds * tokens * queries) * Double(size)
      #expect(abs(found / expected - 1) < 0.05, "d = \(size), \(place + 1) bits: \(found)")
    }
  }

  @Test func mixedBitsAreCountedFromTheBuffers() throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 128, capacity: 64)
    for (scheme, bits) in [(TurboScheme.mixed2, 2.5), (.mixed3, 3.5)] {
      let cache = try TurboKeyCache(shape, scheme)
      #expect(cache.bytes.bitsPerElement(64 * 256) == bits + Double(2 * 128 * 16) / (64 * 256))
      var bytes = cache.bytes
      #expect(bytes.indices == 2 * 128 * 2, "16 bits a channel, whatever the length")
      bytes.indices = 0
      #expect(bytes.bitsPerElement(64 * 256) == bits)
    }
    for bits in 1...4 {
      let plain = try TurboKeyCache(shape, TurboScheme(bits: bits)).bytes
      #expect(plain.bitsPerElement(64 * 256) == Double(bits) + 0.125)
      let sketched = try TurboKeyCache(shape, TurboScheme(bits: bits, estimator: .innerProduct))
      #expect(sketched.bytes.bitsPerElement(64 * 256) == Double(bits) + (bits > 1 ? 0.25 : 0.125))
    }
  }

  @Test func outlierChannelsAreFoundAndTheirBitsPayOff() throws {
    var keys = normalRows(2048, 2 * 128)
    let planted = [[3, 17, 40, 99], [0, 64, 126, 127]]
    keys.withMutableElements { key in
      for row in 0..<2048 {
        for head in 0..<2 {
          for channel in planted[head] { key[row * 256 + head * 128 + channel] *= 15 }
        }
      }
    }
    let mixed = try TurboKeyCache.holding(keys, .mixed2, heads: 2)
    for head in 0..<2 {
      let found = mixed.outlierChannels(head: head)
      #expect(found.count == 32 && planted[head].allSatisfy(found.contains))
    }
    // 2.25 bits of codes against 2: an uneven row costs the even one as much as itself.
    let plain = try TurboKeyCache.holding(keys, TurboScheme(bits: 2), heads: 2)
    let errors = [mixed, plain].map { relativeError($0.decoded().elements, keys.elements) }
    #expect(errors[0] < 0.5 * errors[1], "\(errors)")
  }

  @Test func fewTokensStayFloatsUntilTheOutliersAreFound() throws {
    let keys = normalRows(31, 128)
    let cache = try TurboKeyCache.holding(keys, .mixed2, heads: 1, capacity: 40)
    #expect(cache.encodedLength == 0)
    expectSameBits(cache.decoded(), keys)
    var next = cache
    try next.append(normalRows(1, 128, seed: 3))
    #expect(next.encodedLength == 32 && next.bytes.window == 0)
  }

  @Test func anotherSeedIsAnotherCache() throws {
    let (cache, keys) = try cache(20, 64, TurboScheme(bits: 2))
    let scheme = TurboScheme(bits: 2, rotation: .orthogonal(seed: 9))
    var other = try TurboKeyCache.holding(keys, scheme, heads: 1)
    #expect(relativeError(other.decoded().elements, cache.decoded().elements) > 0.01)
    let (expected, got) = (other.fingerprint, cache.fingerprint)
    #expect(throws: CacheError.fingerprint(expected: expected, got: got)) {
      try other.restore(cache.snapshot)
    }
  }

  @Test func whatCannotBeCodedIsRefused() throws {
    func shape(_ size: Int) throws -> CacheShape {
      try CacheShape(keyValueHeads: 1, headSize: size, capacity: 8)
    }
    #expect(throws: CacheError.headSize(12, multipleOf: 8, scheme: "turbo")) {
      try TurboKeyCache(shape(12), TurboScheme(bits: 2))
    }
    #expect(throws: CacheError.self) { try TurboKeyCache(shape(40), .mixed2) }
    #expect(throws: CacheError.option("bits of turbo", expected: "1 to 4", got: "5")) {
      try TurboKeyCache(shape(64), TurboScheme(bits: 5))
    }
  }

  @Test func smallHeadsWorkToo() throws {
    for size in [8, 16, 24, 80, 256] {
      let (cache, keys) = try cache(300, size, heads: 2, TurboScheme(bits: 3))
      let queries = normalRows(2, 2 * size, seed: 8)
      expectClose(
        try cache.scores(queries).elements, exactScores(queries, cache.decoded(), size: size),
        relative: 1e-4, absolute: 3e-4)
      #expect(relativeError(cache.decoded().elements, keys.elements) < 0.036)
      #expect(cache.bytes.codes * 8 == 300 * 2 * size * 3)
    }
  }

  @Test func zeroRowsStayZero() throws {
    let cache = try TurboKeyCache.holding(.zeros([3, 64]), TurboScheme(bits: 2), heads: 1)
    #expect(cache.decoded().elements.allSatisfy { $0 == 0 })
  }
}
