import CGyroKernels
import GyroTensors
import Testing

@testable import GyroCache

/// The packed kernels against their plain definitions, bit for bit, in every variant there is.
struct CodedKernelTests {
  private func forEachVariant(_ body: (Int32) -> Void) {
    for variant in [gyro_variant_plain, gyro_variant_avx2, gyro_variant_avx512] {
      let number = Int32(variant.rawValue)
      if gyro_variant_available(number) == 1 { body(number) }
    }
  }

  private func expectSameBits(_ a: [Float], _ b: [Float], _ name: String) {
    for (place, (x, y)) in zip(a, b).enumerated() where x.bitPattern != y.bitPattern {
      Issue.record("\(name): \(x) is not \(y) at \(place)")
      return
    }
  }

  private func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
    normalRows(1, count, seed: seed).elements
  }

  @Test(arguments: [8, 24, 32, 64, 80, 96, 128, 144, 256], [1, 2, 3, 4, 8])
  func packedProductsAreTheirDefinitions(width: Int, bits: Int) {
    let (heads, capacity, tokens, repeats, queries) = (2, 540, 530, 2, 1)
    let lanes = width % 16 == 0 ? 16 : 8
    var stream = RandomStream(seed: 5)
    let codes = (0..<heads * capacity * width).map { _ in
      UInt8(truncatingIfNeeded: stream.next()) & UInt8((1 << bits) - 1)
    }
    for group in Set([width, width % 32 == 0 ? 32 : lanes]).sorted() {
      let levels: PackedRows.Levels =
        bits == 8 ? .code(plus: -128) : .table(numbers(1 << bits, 1))
      var rows = PackedRows(
        heads: heads, capacity: capacity, width: width, bits: bits, group: group, levels: levels,
        hasOffsets: group < width)
      let halves = numbers(heads * capacity * (width / group), 3).map { Float16($0).bitPattern }
      rows.store(codes, scales: halves, offsets: halves, first: 0, count: capacity)
      let unpacked = rows.unpacked(tokens: capacity)
      #expect(zip(unpacked, codes).allSatisfy(==), "packing \(width) \(bits)")
      let vectors = queries * heads * repeats
      let query = numbers(vectors * width, 7), weight = numbers(vectors * tokens, 8)
      let shape = gyro_code_queries(count: Int64(queries), repeats: Int64(repeats))
      var scores = [Float](repeating: 1, count: vectors * tokens)
      var sums = [Float](repeating: 1, count: vectors * width)
      rows.withRows(tokens: tokens) { rows in
        gyro_reference_code_scores(&rows, shape, query, &scores, Int64(tokens), 1)
        gyro_reference_code_weighted(&rows, shape, weight, Int64(tokens), &sums, 1)
        forEachVariant { variant in
          rows.variant = variant
          var fast = [Float](repeating: 1, count: vectors * tokens)
          gyro_code_scores(&rows, shape, query, &fast, Int64(tokens), 1)
          expectSameBits(fast, scores, "scores \(width) \(bits) \(group), variant \(variant)")
          var fastSums = [Float](repeating: 1, count: vectors * width)
          var scratch = [Float](repeating: 0, count: Int(gyro_code_scratch(&rows, shape)))
          gyro_code_weighted(&rows, shape, weight, Int64(tokens), &fastSums, 1, &scratch)
          expectSameBits(fastSums, sums, "sums \(width) \(bits) \(group), variant \(variant)")
        }
      }
    }
  }

  @Test(arguments: [24, 64, 128], [2, 3, 4, 8])
  func scoresPerChannelAreTheirDefinition(width: Int, bits: Int) {
    let (heads, repeats) = (2, 2)
    for (tokens, group) in [(96, 32), (512, 256), (24, 8)] {
      var stream = RandomStream(seed: 6)
      let codes = (0..<heads * tokens * width).map { _ in
        UInt8(truncatingIfNeeded: stream.next()) & UInt8((1 << bits) - 1)
      }
      var rows = PackedRows(
        heads: heads, capacity: tokens, width: width, bits: bits, group: 0,
        levels: bits == 8 ? .code(plus: -128) : .table(numbers(1 << bits, 1)))
      rows.store(codes, scales: [], first: 0, count: tokens)
      let groups = tokens / group
      let halves = numbers(heads * groups * width, 3).map { Float16($0).bitPattern }
      let query = numbers(heads * repeats * width, 7)
      let shape = gyro_code_queries(count: 1, repeats: Int64(repeats))
      var scores = [Float](repeating: 0, count: heads * repeats * tokens)
      rows.withRows(tokens: tokens) { rows in
        gyro_reference_integer_channel_scores(
          &rows, halves, halves, Int64(groups), Int64(group), shape, query, &scores, Int64(tokens))
        forEachVariant { variant in
          rows.variant = variant
          var fast = scores.map { _ in Float(0) }
          gyro_integer_channel_scores(
            &rows, halves, halves, Int64(groups), Int64(group), shape, query, &fast, Int64(tokens))
          expectSameBits(fast, scores, "\(width) \(bits) \(group), variant \(variant)")
        }
      }
    }
  }

  @Test(arguments: [16, 48, 64, 128, 256], [[4, 2, 2, 2], [5, 3, 4, 3], [1, 1, 1, 1]])
  func polarProductsAreTheirDefinitions(size: Int, bits: [Int]) throws {
    let (heads, tokens, repeats) = (2, 1100, 2)
    let shape = try CacheShape(keyValueHeads: heads, headSize: size, capacity: tokens)
    var codes = try PolarCodes(shape, PolarScheme(bits: bits, rotation: .none))
    codes.encode(normalRows(tokens, heads * size), first: 0)
    let vectors = heads * repeats
    let query = numbers(vectors * size, 7), weight = numbers(vectors * tokens, 8)
    let queries = gyro_code_queries(count: 1, repeats: Int64(repeats))
    var scores = [Float](repeating: 0, count: vectors * tokens)
    var sums = [Float](repeating: 0, count: vectors * size)
    codes.withRows(tokens: tokens) { rows in
      gyro_reference_polar_scores(&rows, queries, query, &scores, Int64(tokens))
      gyro_reference_polar_weighted(&rows, queries, weight, Int64(tokens), &sums)
      forEachVariant { variant in
        rows.variant = variant
        var fast = [Float](repeating: 0, count: vectors * tokens)
        gyro_polar_scores(&rows, queries, query, &fast, Int64(tokens))
        expectSameBits(fast, scores, "scores \(size) \(bits), variant \(variant)")
        var fastSums = [Float](repeating: 0, count: vectors * size)
        var scratch = [Float](repeating: 0, count: Int(gyro_polar_scratch(&rows, queries)))
        gyro_polar_weighted(&rows, queries, weight, Int64(tokens), &fastSums, &scratch)
        expectSameBits(fastSums, sums, "sums \(size) \(bits), variant \(variant)")
      }
    }
  }

  @Test func encodingIsItsDefinition() {
    let codebook = TurboCodebook(bits: 3, dimension: 64)
    let x = numbers(200 * 64, 2)
    func encoded(
      _ kernel: (
        UnsafePointer<Float>?, Int64, Int32, UnsafePointer<Float>?, Int32, UnsafePointer<Float>?,
        UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt16>?, UnsafeMutablePointer<Float>?
      ) -> Void
    ) -> ([UInt8], [UInt16], [Float]) {
      var codes = [UInt8](repeating: 0, count: 200 * 64)
      var norms = [UInt16](repeating: 0, count: 200)
      var residual = x
      kernel(x, 200, 64, codebook.thresholds, 7, codebook.levels, &codes, &norms, &residual)
      return (codes, norms, residual)
    }
    let (fast, plain) = (encoded(gyro_turbo_encode), encoded(gyro_reference_turbo_encode))
    #expect(zip(fast.0, plain.0).allSatisfy(==) && zip(fast.1, plain.1).allSatisfy(==))
    expectSameBits(fast.2, plain.2, "residual")
  }

  @Test func aRotatedRowDoesNotDependOnItsNeighbors() {
    let matrix = numbers(48 * 40, 1), x = numbers(9 * 48, 2)
    var all = [Float](repeating: 0, count: 9 * 40), one = all
    gyro_cache_rotate(x, 9, 48, matrix, 40, &all)
    for row in 0..<9 {
      var y = [Float](repeating: 0, count: 40)
      gyro_cache_rotate(Array(x[row * 48..<(row + 1) * 48]), 1, 48, matrix, 40, &y)
      one.replaceSubrange(row * 40..<(row + 1) * 40, with: y)
      var sum: Float = 0
      for i in 0..<48 { sum += x[row * 48 + i] * matrix[i * 40 + 3] }
      #expect(y[3] == sum)
    }
    expectSameBits(all, one, "rows")
  }
}
