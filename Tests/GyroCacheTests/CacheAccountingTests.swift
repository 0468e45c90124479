import GyroCache
import Testing

@Suite struct CacheAccountingTests {
  /// Bits for each element of the keys, of buffers allocated for 4,096 sketched tokens.
  private func bits(_ options: QJLOptions) throws -> (all: Double, indices: Double) {
    let shape = try CacheShape(
      keyValueHeads: 4, headSize: 128, capacity: 4096 + options.window)
    let bytes = try QJLKeyCache(shape, options).bytes
    let elements = 4096 * 512
    return (bytes.bitsPerElement(elements), 8 * Double(bytes.indices) / Double(elements))
  }

  @Test func releasedDefaultsOfQJLStoreMoreThanThreeBits() throws {
    // 256 + 256 rows and two norms of 16 bits for 128 elements; 8 indices of 8 bits for 32 tokens.
    let later = try bits(QJLOptions(rows: 256, outliers: .apart(channels: 8, rows: 256)))
    #expect(later.all - later.indices == 4.25)
    #expect(later.indices == 8 * 8 / (32.0 * 128))
    // The first layers: 512 + 128 rows.
    let first = try bits(QJLOptions(rows: 512, outliers: .apart(channels: 8, rows: 128)))
    #expect(first.all - first.indices == 5.25)
    #expect(try bits(QJLOptions(rows: 256)).all == 2.125)
    // Outliers that stay numbers: 3 of 16 bits.
    let exact = try bits(QJLOptions(rows: 256, outliers: .exact(channels: 3)))
    #expect(exact.all - exact.indices == 2.125 + 3 * 16 / 128.0)
  }

  @Test func keysAndValuesAreFiveTimesSmallerThanFloat16() throws {
    // 8 layers, the window and the sketch included.
    let shape = try CacheShape(keyValueHeads: 4, headSize: 128, capacity: 4096)
    let options = QJLOptions(rows: 256)
    let sketches = try QJLSketches(headSize: 128, options)
    var packed = CacheBytes(), floats = CacheBytes()
    for _ in 0..<8 {
      packed += try CombinedCache(
        keys: QJLKeyCache(shape, options, sketches: sketches),
        values: GroupValueCache(shape, .init(bits: 2))
      ).bytes
      floats += try FloatCache(shape, precision: .float16).bytes
    }
    #expect(floats.total == 8 * 4096 * 512 * 2 * 2)
    #expect(packed.sharedTotal == 4 * 256 * 128)
    let ratio = Double(floats.total) / Double(packed.total)
    #expect(ratio > 5, "\(ratio)")
  }

  @Test func sumsCountSharedPartsOnce() {
    let first = CacheBytes(codes: 1, norms: 2, indices: 3, scales: 4, window: 5, shared: ["a": 10])
    let second = CacheBytes(codes: 10, shared: ["a": 10, "b": 7])
    let sum = first + second
    #expect(sum.perToken == 20)
    #expect(sum.own == 25)
    #expect(sum.total == 42)
    #expect(sum.bitsPerElement(80) == 2)
  }
}
