import CGyroKernels
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

@Suite struct ValueCacheTests {
  static let variants = [gyro_variant_plain, gyro_variant_avx2, gyro_variant_avx512]
    .map { Int32($0.rawValue) }.filter { gyro_variant_available($0) != 0 }

  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor {
    var random = RandomStream(seed: seed)
    return random.normal(shape)
  }

  private func codes(
    _ values: Tensor, heads: Int, size: Int, bits: Int, group: Int = 32
  ) throws -> GroupValueCodes {
    let tokens = values.shape[0]
    let shape = try CacheShape(keyValueHeads: heads, headSize: size, capacity: tokens)
    var codes = GroupValueCodes(shape, bits: bits, group: group, capacity: tokens)
    values.withElements { codes.encode($0, first: 0, count: tokens) }
    return codes
  }

  @Test(arguments: [1, 2, 3, 4, 8])
  func everyElementLiesWithinHalfAStep(bits: Int) throws {
    for (size, group) in [(8, 32), (64, 32), (128, 64), (48, 32)] {
      var values = random([37, 2 * size], UInt64(bits)) * 3 + 1
      // Constant groups, whole numbers, tiny and huge numbers.
      values.withMutableElements { element in
        for place in 0..<2 * size {
          element[place] = 0.1
          element[2 * size + place] = 0
          element[4 * size + place] = Float(place % 3)
          element[6 * size + place] *= 1e-6
          element[8 * size + place] *= 2000
        }
      }
      let codes = try codes(values, heads: 2, size: size, bits: bits, group: group)
      for token in 0..<37 {
        for head in 0..<2 {
          let decoded = codes.decoded(head: head, token: token)
          for channel in 0..<size {
            let step = codes.scale(head: head, token: token, group: channel / min(group, size))
            let value = values[token, head * size + channel]
            let error = abs(decoded[channel] - value)
            #expect(error <= step / 2 * 1.0001 + abs(value) * 2e-7, "\(token) \(channel)")
          }
        }
      }
    }
  }

  @Test func stepsAreTheRangeOverTheLevels() throws {
    let values = random([20, 32], 3)
    for bits in [2, 3, 4, 8] {
      let codes = try codes(values, heads: 1, size: 32, bits: bits)
      for token in 0..<20 {
        let row = (0..<32).map { values[token, $0] }
        let step = (row.max()! - row.min()!) / Float((1 << bits) - 1)
        let stored = codes.scale(head: 0, token: token, group: 0)
        // Both ends are rounded outwards to Float16: by up to 2⁻¹⁰ of the minimum in all.
        #expect(stored >= step && stored <= step * 1.002 + 4 * 0.002 / Float((1 << bits) - 1))
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4, 8])
  func packedSumsAreSumsOfDecodedValuesInEveryVariant(bits: Int) throws {
    for (size, heads, queryHeads, tokens, queries) in [
      (8, 2, 4, 5, 1), (32, 1, 1, 513, 1), (64, 2, 2, 30, 3), (96, 1, 2, 70, 2),
      (128, 1, 1, 1030, 17), (136, 1, 1, 9, 1), (256, 1, 2, 21, 2),
    ] {
      let values = random([tokens, heads * size], 4)
      var codes = try codes(values, heads: heads, size: size, bits: bits)
      let weights = random([queries, queryHeads, tokens], 5)
      var results: [Tensor] = []
      for variant in Self.variants {
        codes.variant = variant
        var result = Tensor.zeros([queries, queryHeads * size])
        weights.withElements { weight in
          result.withMutableElements {
            codes.addSum(
              weight, stride: tokens, queries: queries, queryHeads: queryHeads, tokens: tokens,
              into: $0)
          }
        }
        results.append(result)
        expectSameBits(result, results[0], "variant \(variant), size \(size)")
      }
      var expected = [Float](repeating: 0, count: results[0].count)
      for head in 0..<heads {
        let decoded = (0..<tokens).map { codes.decoded(head: head, token: $0) }
        let sharing = queryHeads / heads
        for query in 0..<queries {
          for member in head * sharing..<(head + 1) * sharing {
            for channel in 0..<size {
              var sum = 0.0
              for token in 0..<tokens {
                sum += Double(weights[query, member, token]) * Double(decoded[token][channel])
              }
              expected[(query * queryHeads + member) * size + channel] = Float(sum)
            }
          }
        }
      }
      expectClose(results[0].elements, expected, relative: 1e-4, absolute: 2e-4, "size \(size)")
    }
  }

  @Test(arguments: [0, 16, 128])
  func streamingEqualsBulk(window: Int) throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 32, capacity: 203)
    let values = random([203, 64], 6), weights = random([2, 4, 203], 7)
    for bits in [2, 3] {
      let options = GroupValueCache.Options(bits: bits, window: window)
      var bulk = try GroupValueCache(shape, options)
      try bulk.append(values)
      for step in [1, 10, 150] {
        var stream = try GroupValueCache(shape, options)
        for first in stride(from: 0, to: 203, by: step) {
          try stream.append(
            values.sliced(axis: 0, first..<min(203, first + step)).contiguous())
        }
        #expect(stream.snapshot == bulk.snapshot, "steps of \(step)")
        expectSameBits(try stream.weightedValues(weights), try bulk.weightedValues(weights))
      }
    }
  }

  @Test func tokensInTheWindowAreExact() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 32, capacity: 64)
    let values = random([64, 32], 8)
    var cache = try GroupValueCache(shape, .init(window: 24, windowPrecision: .float32))
    try cache.append(values)
    #expect(cache.quantized == 40)
    for token in 0..<64 {
      var weights = Tensor.zeros([1, 1, 64])
      weights.withMutableElements { $0[token] = 1 }
      let got = try cache.weightedValues(weights).elements
      let expected = (0..<32).map { values[token, $0] }
      if token >= 40 { expectSame(got, expected) } else { #expect(got != expected) }
    }
  }

  @Test func bitsAreCounted() throws {
    // b bits and two Float16 for 32 channels.
    let shape = try CacheShape(keyValueHeads: 4, headSize: 128, capacity: 4096)
    for (bits, group, expected) in [
      (2, 32, 3.0), (3, 32, 4.0), (4, 32, 5.0), (2, 128, 2.25), (8, 64, 8.5),
    ] {
      let cache = try GroupValueCache(shape, .init(bits: bits, group: group, window: 0))
      #expect(cache.bytes.bitsPerElement(4096 * 512) == expected)
    }
  }

  @Test func badOptionsAndValuesAreNamed() throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 32, capacity: 64)
    #expect(throws: CacheError.option("bits of values", expected: "1, 2, 3, 4 or 8", got: "5")) {
      try GroupValueCache(shape, .init(bits: 5))
    }
    #expect(throws: CacheError.option("group of values", expected: "a multiple of 32", got: "48")) {
      try GroupValueCache(shape, .init(group: 48))
    }
    let odd = try CacheShape(keyValueHeads: 1, headSize: 12, capacity: 8)
    #expect(
      throws: CacheError.headSize(12, multipleOf: 8, scheme: "a cache of values in groups")
    ) { try GroupValueCache(odd) }
    var cache = try GroupValueCache(shape)
    var values = random([2, 64], 9)
    values.withMutableElements { $0[64 + 33] = -70000 }
    #expect(
      throws: CacheError.tooLarge("values", token: 1, head: 1, value: -70000, largest: 65504)
    ) { try cache.append(values) }
    #expect(cache.length == 0)
    #expect(
      throws: CacheError.extents(
        "weights", expected: "[queries, heads, 0], heads a multiple of 2", got: [1, 3, 0])
    ) { try cache.weightedValues(.zeros([1, 3, 0])) }
  }
}
