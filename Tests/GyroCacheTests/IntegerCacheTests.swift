import Foundation
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

struct IntegerCacheTests {
  private func schemes(_ grouping: IntegerCacheScheme.Grouping) -> [IntegerCacheScheme] {
    [2, 3, 4, 8].flatMap { bits in
      [true, false].map {
        IntegerCacheScheme(bits: bits, isSymmetric: $0, grouping: grouping)
      }
    }
  }

  /// The groups of rows `[tokens, 64]`: values that share a scale.
  private func groups(_ x: [Float], _ grouping: IntegerCacheScheme.Grouping) -> [[Int]] {
    switch grouping {
    case .tokens(let channels):
      return stride(from: 0, to: x.count, by: channels).map { Array($0..<$0 + channels) }
    case .channels(let tokens):
      return (0..<x.count / tokens).map { line in
        let (block, channel) = (line / 64, line % 64)
        return (0..<tokens).map { (block * tokens + $0) * 64 + channel }
      }
    }
  }

  @Test(arguments: [
    IntegerCacheScheme.Grouping.tokens(channels: 32), .tokens(channels: 64), .tokens(channels: 16),
    .channels(tokens: 32), .channels(tokens: 8),
  ])
  func everyNumberLiesWithinHalfAStep(grouping: IntegerCacheScheme.Grouping) throws {
    let keys = normalRows(64, 64) + 0.5
    for scheme in schemes(grouping) {
      let cache = try IntegerKeyCache.holding(keys, scheme, heads: 1)
      #expect(cache.encodedLength == 64)
      let (a, b) = (cache.decoded().elements, keys.elements)
      for group in groups(b, grouping) {
        let values = group.map { b[$0] }
        let step =
          scheme.isSymmetric
          ? values.map(abs).max()! / Float((1 << (scheme.bits - 1)) - 1)
          : (values.max()! - values.min()!) / Float((1 << scheme.bits) - 1)
        // Scale and minimum are Float16s that cover the range.
        let most = step * 0.5 * 1.004 + 0.0011
        let worst = group.map { abs(a[$0] - b[$0]) }.max()!
        if worst > most { Issue.record("\(scheme): \(worst) > \(most)") }
      }
    }
  }

  @Test func bitsAreCountedFromTheBuffers() throws {
    let shape = try CacheShape(keyValueHeads: 2, headSize: 128, capacity: 256)
    func bits(_ scheme: IntegerCacheScheme) throws -> Double {
      try IntegerKeyCache(shape, scheme).bytes.bitsPerElement(256 * 256)
    }
    // Two bits and 32 bits of scale and minimum for 32 numbers: three bits, as trap 5 says.
    #expect(try bits(IntegerCacheScheme(bits: 2)) == 3)
    #expect(try bits(IntegerCacheScheme(bits: 2, grouping: .channels(tokens: 32))) == 3)
    #expect(try bits(IntegerCacheScheme(bits: 4, isSymmetric: true)) == 4.5)
    #expect(try bits(IntegerCacheScheme(bits: 3, grouping: .tokens(channels: 128))) == 3.25)
    #expect(
      try bits(IntegerCacheScheme(bits: 8, isSymmetric: true, grouping: .tokens(channels: 128)))
        == 8.125)
  }

  @Test func scalesPerChannelLeaveOutlierChannelsHarmless() throws {
    var keys = normalRows(256, 64)
    keys.withMutableElements { key in
      for row in 0..<256 { key[row * 64 + 7] = key[row * 64 + 7] * 20 + 60 }
    }
    func errors(_ scheme: IntegerCacheScheme) throws -> Double {
      let cache = try IntegerKeyCache.holding(keys, scheme, heads: 1)
      let (a, b) = (cache.decoded().elements, keys.elements)
      let others = b.indices.filter { $0 % 64 != 7 }
      return relativeError(others.map { a[$0] }, others.map { b[$0] })
    }
    let channel = try errors(IntegerCacheScheme(bits: 4, grouping: .channels(tokens: 32)))
    let token = try errors(IntegerCacheScheme(bits: 4))
    let rotated = try errors(IntegerCacheScheme(bits: 4, rotation: .hadamard(seed: 1)))
    #expect(channel < 0.02 && token > 10 * channel, "\(channel) \(token)")
    #expect(rotated < token, "\(rotated)")
  }

  @Test func tokensWaitAsFloatsUntilTheirGroupIsFullAndTheWindowHasPassed() throws {
    let scheme = IntegerCacheScheme(bits: 2, grouping: .channels(tokens: 32), window: 20)
    let keys = normalRows(200, 64)
    for (tokens, encoded) in [(31, 0), (51, 0), (52, 32), (83, 32), (84, 64), (200, 160)] {
      let part = keys.sliced(axis: 0, 0..<tokens)
      let cache = try IntegerKeyCache.holding(part, scheme, heads: 1, capacity: 200)
      #expect(cache.encodedLength == encoded, "\(tokens)")
      let (a, b) = (cache.decoded().elements, part.elements)
      expectSame(Array(a[(encoded * 64)...]), Array(b[(encoded * 64)...]), "the floats")
      #expect(encoded == 0 || a[0] != b[0])
      #expect(cache.bytes.window == 51 * 64 * 4)
    }
  }

  @Test func constantGroupsAreExactToAHalf() throws {
    for value in [Float(0), 0.1, -3] {
      let keys = Tensor([64, 64], repeating: value)
      for scheme in schemes(.tokens(channels: 32)) + schemes(.channels(tokens: 32)) {
        let cache = try IntegerKeyCache.holding(keys, scheme, heads: 1)
        for got in cache.decoded().elements where abs(got - value) > 0.001 * abs(value) {
          Issue.record("\(scheme): \(got) is not \(value)")
        }
      }
    }
  }

  @Test func sizesThatDoNotFillVectorsWork() throws {
    for size in [8, 24, 48, 80, 256] {
      let keys = normalRows(40, 2 * size), queries = normalRows(2, 4 * size, seed: 3)
      for grouping in [
        IntegerCacheScheme.Grouping.tokens(channels: size), .channels(tokens: 8),
      ] {
        for bits in [2, 3, 8] {
          let scheme = IntegerCacheScheme(bits: bits, grouping: grouping)
          let cache = try IntegerKeyCache.holding(keys, scheme, heads: 2)
          expectClose(
            try cache.scores(queries).elements,
            exactScores(queries, cache.decoded(), size: size), relative: 1e-4, absolute: 3e-4,
            "\(size) \(scheme)")
        }
      }
    }
  }

  @Test func whatCannotBeDoneIsRefused() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 64, capacity: 40)
    for scheme in [
      IntegerCacheScheme(bits: 5), IntegerCacheScheme(bits: 4, grouping: .tokens(channels: 24)),
      IntegerCacheScheme(bits: 4, grouping: .channels(tokens: 0)),
      IntegerCacheScheme(bits: 4, window: -1),
    ] {
      #expect(throws: CacheError.self) { try IntegerKeyCache(shape, scheme) }
    }
    let perChannel = IntegerCacheScheme(bits: 4, grouping: .channels(tokens: 32))
    #expect(throws: CacheError.self) { try IntegerValueCache(shape, perChannel) }
    var cache = try IntegerKeyCache(shape, IntegerCacheScheme(bits: 4))
    #expect(
      throws: CacheError.tooLarge("keys", token: 0, head: 0, value: 70000, largest: 65504)
    ) {
      try cache.append(Tensor([1, 64], repeating: 70000))
    }
  }
}
