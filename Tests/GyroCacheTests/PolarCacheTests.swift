import Foundation
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

struct PolarCacheTests {
  @Test func bitsAreCountedFromTheBuffers() throws {
    for size in [32, 64, 128, 256] {
      let shape = try CacheShape(keyValueHeads: 2, headSize: size, capacity: 64)
      let bits = try PolarKeyCache(shape, PolarScheme()).bytes.bitsPerElement(64 * 2 * size)
      #expect(bits == 3.875, "d = \(size): \(bits)")
      for (split, expected) in [
        ([3, 2, 2, 2], 3.375), ([4, 3, 2, 2], 4.125), ([5, 3, 3, 3], 4.8125),
      ] {
        let bytes = try PolarKeyCache(shape, PolarScheme(bits: split)).bytes
        #expect(bytes.bitsPerElement(64 * 2 * size) == expected)
      }
    }
    // Blocks that do not fill a unit are counted as well.
    let odd = try CacheShape(keyValueHeads: 1, headSize: 96, capacity: 64)
    #expect(try PolarKeyCache(odd, PolarScheme()).bytes.bitsPerElement(64 * 96) > 5)
  }

  @Test func innerProductsShrinkByHalfTheSquaredError() throws {
    let keys = normalRows(4000, 64), queries = keys.sliced(axis: 0, 0..<1)
    var (slope, count) = (0.0, 0.0)
    for seed in 0..<8 as Range<UInt64> {
      let scheme = PolarScheme(rotation: .orthogonal(seed: seed))
      let cache = try PolarKeyCache.holding(keys, scheme, heads: 1)
      // ⟨x, x̃⟩ for each row with itself.
      let (a, b) = (cache.decoded().elements, keys.elements)
      var (product, power) = (0.0, 0.0)
      for i in a.indices {
        product += Double(a[i]) * Double(b[i])
        power += Double(b[i]) * Double(b[i])
      }
      (slope, count) = (slope + product / power, count + 1)
      #expect(try cache.scores(queries).count == 4000)
    }
    #expect(abs(slope / count - (1 - 0.03208 / 2)) < 3e-4, "\(slope / count)")
  }

  @Test func aRotationHelpsRowsWithOutliers() throws {
    var keys = normalRows(800, 128)
    keys.withMutableElements { key in
      for row in 0..<800 {
        for channel in stride(from: 5, to: 128, by: 11) { key[row * 128 + channel] *= 20 }
      }
    }
    func error(_ rotation: CacheRotation) throws -> Double {
      let cache = try PolarKeyCache.holding(keys, PolarScheme(rotation: rotation), heads: 1)
      return relativeError(cache.decoded().elements, keys.elements)
    }
    let rotated = try error(.orthogonal(seed: 1)), fast = try error(.hadamard(seed: 1))
    #expect(abs(rotated / 0.03208 - 1) < 0.06, "\(rotated)")
    #expect(abs(fast / 0.03208 - 1) < 0.1, "\(fast)")
    let plain = try error(.none)
    #expect(plain > 1.3 * rotated, "\(plain)")
  }

  @Test func everyHeadSizeThatIsAMultipleOfSixteenWorks() throws {
    for size in [16, 32, 48, 80, 96, 128, 256] {
      let keys = normalRows(50, 2 * size), queries = normalRows(2, 4 * size, seed: 4)
      let cache = try PolarKeyCache.holding(keys, PolarScheme(), heads: 2, capacity: 51)
      expectClose(
        try cache.scores(queries).elements, exactScores(queries, cache.decoded(), size: size),
        relative: 1e-4, absolute: 3e-4)
      #expect(relativeError(cache.decoded().elements, keys.elements) < 0.036)
    }
    let shape = try CacheShape(keyValueHeads: 1, headSize: 24, capacity: 8)
    #expect(throws: CacheError.headSize(24, multipleOf: 16, scheme: "polar")) {
      try PolarKeyCache(shape, PolarScheme())
    }
    #expect(throws: CacheError.self) {
      try PolarKeyCache(
        CacheShape(keyValueHeads: 1, headSize: 16, capacity: 8), PolarScheme(bits: [6, 2, 2, 2]))
    }
  }

  @Test func restoredUnderAnotherSchemeOrSeedIsAnError() throws {
    let cache = try PolarKeyCache.holding(normalRows(9, 64), PolarScheme(), heads: 1)
    for scheme in [PolarScheme(bits: [3, 2, 2, 2]), PolarScheme(rotation: .orthogonal(seed: 2))] {
      var other = try PolarKeyCache(cache.shape, scheme)
      #expect(throws: CacheError.self) { try other.restore(cache.snapshot) }
    }
  }
}
