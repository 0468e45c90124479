import Glibc
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

@Suite struct QJLCacheTests {
  static let treatments: [OutlierTreatment] = [
    .together, .apart(channels: 4, rows: 64), .exact(channels: 3),
  ]

  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor {
    var random = RandomStream(seed: seed)
    return random.normal(shape)
  }

  private func rows(_ tensor: Tensor, _ range: Range<Int>) -> Tensor {
    tensor.sliced(axis: 0, range).contiguous()
  }

  @Test(arguments: treatments)
  func streamingEqualsBulk(outliers: OutlierTreatment) throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 32, capacity: 300)
    let options = QJLOptions(rows: 128, outliers: outliers, window: 40, seed: 3)
    let keys = random([300, 64], 1), queries = random([3, 128], 2)
    var bulk = try QJLKeyCache(shape, options)
    try bulk.append(keys)
    for step in [1, 7, 64, 299] {
      var stream = try QJLKeyCache(shape, options)
      for first in stride(from: 0, to: 300, by: step) {
        try stream.append(rows(keys, first..<min(300, first + step)))
      }
      #expect(stream.snapshot == bulk.snapshot, "steps of \(step)")
      expectSameBits(try stream.scores(queries), try bulk.scores(queries))
    }
  }

  @Test(arguments: treatments, [false, true])
  func scoresAreTheFormula(outliers: OutlierTreatment, hasLastingOutliers: Bool) throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 16, capacity: 96)
    let options = QJLOptions(
      rows: 64, outliers: outliers, window: 0, windowPrecision: .float32, seed: 4)
    var keys = random([96, 32], 5)
    let queries = random([2, 64], 6)
    if hasLastingOutliers {
      // The same in every group, so that groups are scored together.
      keys.withMutableElements { element in
        for row in 0..<2 * 96 {
          for channel in [1, 4, 9, 12].prefix(outliers.channels) {
            element[row * 16 + channel] *= 10
          }
        }
      }
    }
    var cache = try QJLKeyCache(shape, options)
    try cache.append(keys)
    if hasLastingOutliers, outliers.channels > 0 {
      #expect(
        cache.outlierChannels(head: 1, group: 2) == Array([1, 4, 9, 12].prefix(outliers.channels)))
    }
    let scores = try cache.scores(queries)
    for variant in QJLKernelTests.variants {
      cache.inliers.variant = variant
      cache.outliers?.variant = variant
      expectSameBits(try cache.scores(queries), scores, "variant \(variant)")
    }
    #expect(scores.shape == [2, 4, 96])
    for query in 0..<2 {
      for head in 0..<4 {
        for token in 0..<96 {
          // Query heads 0, 1 share the first keys, 2, 3 the second.
          let k = (0..<16).map { keys[token, head / 2 * 16 + $0] }
          let q = (0..<16).map { queries[query, head * 16 + $0] }
          let apart = Set(cache.outlierChannels(head: head / 2, group: token / 32))
          let expected = estimate(q, k, apart, cache)
          #expect(abs(Double(scores[query, head, token]) - expected) < 4e-3 * (1 + abs(expected)))
        }
      }
    }
  }

  private func estimate(
    _ q: [Float], _ k: [Float], _ apart: Set<Int>, _ cache: QJLKeyCache
  ) -> Double {
    func part(_ sketch: Sketch, _ channels: [Int]) -> Double {
      var sum = 0.0
      for row in 0..<sketch.rows {
        var (x, y) = (0.0, 0.0)
        for channel in channels {
          x += Double(sketch.transposed[channel, row] * q[channel])
          y += Double(sketch.transposed[channel, row] * k[channel])
        }
        sum += y > 0 ? x : -x
      }
      let norm = channels.reduce(0.0) { $0 + Double(k[$1] * k[$1]) }.squareRoot()
      let factor = (Double.pi / 2).squareRoot() / Double(sketch.rows)
      return factor * norm * sum / sketch.kind.bias(columns: sketch.columns)
    }
    var result = part(cache.sketches.keys, (0..<16).filter { !apart.contains($0) })
    switch cache.options.outliers {
    case .together: break
    case .apart: result += part(cache.sketches.outliers!, apart.sorted())
    case .exact: result += apart.reduce(0.0) { $0 + Double(q[$1]) * Double(Float16(k[$1])) }
    }
    return result
  }

  @Test func tokensInTheWindowAreExact() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 64, capacity: 512)
    let keys = random([512, 64], 7), queries = random([1, 64], 8)
    var exact = try FloatKeyCache(shape)
    try exact.append(keys)
    let expected = try exact.scores(queries).elements
    for (precision, tolerance) in [(FloatPrecision.float32, Float(0)), (.float16, 0.02)] {
      var cache = try QJLKeyCache(shape, QJLOptions(windowPrecision: precision))
      try cache.append(keys)
      #expect(cache.quantized == 384)
      let got = try cache.scores(queries).elements
      for token in 384..<512 { #expect(abs(got[token] - expected[token]) <= tolerance) }
      #expect((0..<384).contains { abs(got[$0] - expected[$0]) > 0.1 })
    }
    // Until 32 tokens have 128 newer ones, all are in the window.
    var cache = try QJLKeyCache(shape, QJLOptions(windowPrecision: .float32))
    try cache.append(rows(keys, 0..<159))
    #expect(cache.quantized == 0)
    expectSame(try cache.scores(queries).elements, Array(expected.prefix(159)))
    try cache.append(rows(keys, 159..<160))
    #expect(cache.quantized == 32)
  }

  @Test func plantedOutlierChannelsAreFound() throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 32, capacity: 64)
    var keys = random([64, 64], 9)
    // Head 0: channels 3 and 17, then 5 and 6; head 1: 0 and 31 throughout.
    keys.withMutableElements { element in
      for token in 0..<64 {
        for channel in token < 32 ? [3, 17] : [5, 6] { element[token * 64 + channel] *= 20 }
        for channel in [0, 31] { element[token * 64 + 32 + channel] *= 20 }
      }
    }
    let options = QJLOptions(outliers: .apart(channels: 2, rows: 64), window: 0)
    var cache = try QJLKeyCache(shape, options)
    try cache.append(keys)
    #expect(cache.outlierChannels(head: 0, group: 0) == [3, 17])
    #expect(cache.outlierChannels(head: 0, group: 1) == [5, 6])
    #expect(cache.outlierChannels(head: 1, group: 0) == [0, 31])
    #expect(cache.outlierChannels(head: 1, group: 1) == [0, 31])
  }

  @Test func splittingOutliersOffDividesTheVariance() throws {
    // 124 channels ±1 and 4 channels ±20, isotropic queries: ‖q‖²‖k‖² is 128·1724 together and
    // 124·124 + 4·1600 apart.
    let shape = try CacheShape(keyValueHeads: 1, headSize: 128, capacity: 32)
    let queries = random([64, 128], 10)
    var stream = RandomStream(seed: 11)
    let signs = Tensor.filled([32, 128]) { element in
      for place in 0..<32 * 128 {
        let size: Float = [7, 40, 77, 120].contains(place % 128) ? 20 : 1
        element[place] = stream.integer(below: 2) == 0 ? size : -size
      }
    }
    var exact = try FloatKeyCache(shape)
    try exact.append(signs)
    let expected = try exact.scores(queries).elements
    func meanSquare(_ rows: Int, _ outliers: OutlierTreatment) throws -> Double {
      var sum = 0.0
      for seed in 0..<40 {
        var cache = try QJLKeyCache(
          shape,
          QJLOptions(
            rows: rows, kind: .gaussian, outliers: outliers, window: 0, seed: UInt64(seed)))
        try cache.append(signs)
        for (a, b) in zip(try cache.scores(queries).elements, expected) {
          sum += Double((a - b) * (a - b))
        }
      }
      return sum
    }
    let apart = try meanSquare(64, .apart(channels: 4, rows: 64))
    let together = try meanSquare(64, .together), equalBits = try meanSquare(128, .together)
    #expect(abs(together / apart / 10.13 - 1) < 0.1, "\(together / apart)")
    #expect(abs(equalBits / apart / 5.07 - 1) < 0.1, "\(equalBits / apart)")
    #expect(try meanSquare(64, .exact(channels: 4)) < apart)
  }

  @Test func theCorrectionDividesByBeta() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 16, capacity: 32)
    let keys = random([32, 16], 12), queries = random([1, 16], 13)
    var scores: [[Float]] = []
    for correct in [false, true] {
      var cache = try QJLKeyCache(
        shape, QJLOptions(rows: 64, correctOrthogonalBias: correct, window: 0))
      try cache.append(keys)
      scores.append(try cache.scores(queries).elements)
    }
    for (kept, corrected) in zip(scores[0], scores[1]) {
      #expect(abs(kept / corrected - 1.01574) < 1e-4)
    }
  }

  @Test func moreRowsAndBitsGiveBetterAttention() throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 64, capacity: 256)
    let keys = random([256, 128], 14), values = random([256, 128], 15)
    let queries = random([4, 256], 16)
    var exact = try FloatCache(shape)
    try exact.append(keys: keys, values: values)
    let expected = try exact.attention(queries)
    var errors: [Double] = []
    for (rows, bits) in [(64, 1), (64, 2), (256, 3), (1024, 4), (4096, 8)] {
      var cache = try CombinedCache(
        keys: QJLKeyCache(shape, QJLOptions(rows: rows, window: 0)),
        values: GroupValueCache(shape, .init(bits: bits, window: 0)))
      try cache.append(keys: keys, values: values)
      errors.append(try cache.attention(queries).sumOfSquaredDifferences(from: expected))
    }
    for (worse, better) in zip(errors, errors.dropFirst()) { #expect(better < worse * 0.7) }
  }

  @Test func aWindowLargerThanTheCacheKeepsAllTokens() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 16, capacity: 20)
    let keys = random([20, 16], 17), queries = random([1, 16], 18)
    var cache = try QJLKeyCache(shape, QJLOptions(rows: 64, windowPrecision: .float32))
    var exact = try FloatKeyCache(shape)
    try cache.append(keys)
    try exact.append(keys)
    expectSameBits(try cache.scores(queries), try exact.scores(queries))
    #expect(cache.bytes.perToken == 0)
  }

  @Test func sketchesAreSharedAndCountedOnce() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 64, capacity: 256)
    let options = QJLOptions(rows: 128, outliers: .apart(channels: 2, rows: 64))
    let sketches = try QJLSketches(headSize: 64, options)
    let layers = try (0..<3).map { _ in try QJLKeyCache(shape, options, sketches: sketches) }
    let bytes = layers.map(\.bytes).reduce(CacheBytes(), +)
    #expect(bytes.sharedTotal == 4 * 64 * (128 + 64))
    #expect(bytes.own == 3 * layers[0].bytes.own)
    var other = options
    other.seed = 9
    #expect(throws: CacheError.self) { try QJLKeyCache(shape, other, sketches: sketches) }
  }
}
