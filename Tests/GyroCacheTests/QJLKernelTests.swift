import CGyroKernels
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

@Suite struct QJLKernelTests {
  static let variants = [gyro_variant_plain, gyro_variant_avx2, gyro_variant_avx512]
    .map { Int32($0.rawValue) }.filter { gyro_variant_available($0) != 0 }

  private func codes(_ rows: Int, heads: Int, tokens: Int) throws -> SignCodes {
    let sketch = try Sketch(.gaussian, rows: rows, columns: 16, seed: 7)
    var codes = SignCodes(sketch, heads: heads, tokens: tokens, correctOrthogonalBias: false)
    var random = RandomStream(seed: UInt64(rows + tokens))
    codes.append(random.normal([tokens * heads, 16]), first: 0)
    return codes
  }

  @Test(arguments: [64, 128, 192, 256, 1024])
  func packedScoresHaveTheBitsOfTheFloatPath(rows: Int) throws {
    for (tokens, heads, queryHeads, queries) in [
      (1, 1, 1, 1), (15, 2, 2, 1), (17, 1, 3, 2), (96, 3, 6, 2), (1100, 1, 2, 1),
    ] {
      var codes = try codes(rows, heads: heads, tokens: tokens)
      var random = RandomStream(seed: 11)
      let sketched = random.normal([queries * queryHeads, rows])
      let shape: Shape = [queries, queryHeads, tokens]
      let expected = sketched.withElements { sketched in
        Tensor.filled(shape) { scores in
          codes.withKeys(tokens: tokens) {
            gyro_reference_sign_scores(
              $0, sketched, Int64(queries), Int64(queryHeads), scores, Int64(tokens))
          }
        }
      }
      for variant in Self.variants + [0] {
        codes.variant = variant
        let got = sketched.withElements { sketched in
          Tensor.filled(shape) { scores in
            codes.withKeys(tokens: tokens) {
              gyro_sign_scores(
                $0, sketched, Int64(queries), Int64(queryHeads), scores, Int64(tokens))
            }
          }
        }
        expectSameBits(got, expected, "variant \(variant), \(tokens) tokens")
      }
    }
  }

  @Test func scoresAreTwiceTheSumOverSetBitsLessTheSumOverAll() throws {
    let codes = try codes(128, heads: 1, tokens: 16)
    var random = RandomStream(seed: 12)
    let q = random.normal([1, 128]).elements
    var scores = [Float](repeating: 0, count: 16)
    codes.withKeys(tokens: 16) { keys in
      gyro_sign_scores(keys, q, 1, 1, &scores, 16)
      for token in 0..<16 {
        var set = 0.0, all = 0.0
        for row in 0..<128 {
          let word = keys.pointee.codes[row / 32 * 16 + token]
          if word >> UInt32(row % 32) & 1 == 1 { set += Double(q[row]) }
          all += Double(q[row])
        }
        let norm = Double(Float(Float16(bitPattern: keys.pointee.norms[token])))
        let expected = (2 * set - all) * Double(keys.pointee.factor) * norm
        #expect(abs(Double(scores[token]) - expected) < 1e-4 * (1 + abs(expected)))
      }
    }
  }

  @Test func aBitIsSetOnlyForPositiveProjections() {
    var projections = [Float](repeating: -1, count: 64)
    projections[0] = 0
    projections[1] = -0.0
    projections[2] = .leastNonzeroMagnitude
    projections[31] = 5
    projections[32] = 1e-30
    projections[63] = .infinity
    var words = [UInt32](repeating: 0, count: 32)
    gyro_sign_pack(projections, 1, 64, 64, 3, &words)
    #expect(words[3] == 1 << 2 | 1 << 31)
    #expect(words[16 + 3] == 1 | 1 << 31)
    #expect(words.enumerated().allSatisfy { $0.offset % 16 == 3 || $0.element == 0 })
  }

  @Test func threadsDoNotChangeScores() throws {
    let codes = try codes(64, heads: 3, tokens: 4096)
    var random = RandomStream(seed: 13)
    let q = random.normal([6, 64])
    func scores() -> Tensor {
      q.withElements { q in
        Tensor.filled([1, 6, 4096]) { scores in
          codes.withKeys(tokens: 4096) { gyro_sign_scores($0, q, 1, 6, scores, 4096) }
        }
      }
    }
    expectSameBits(withThreads(1) { scores() }, withThreads(2) { scores() })
  }
}
