import CGyroKernels
import GyroTensors

/// The packed codes, scales and minima of values; `gyro_cache_value.h` describes the layout.
struct GroupValueCodes: Sendable {
  private let heads: Int, headSize: Int, bits: Int, group: Int
  /// Tokens, a multiple of 4: that many share a nibble of one bit each.
  private let capacity: Int
  private var low: CacheBuffer<UInt8>
  private var high: CacheBuffer<UInt8>
  private var scales: CacheBuffer<UInt16>
  private var minima: CacheBuffer<UInt16>
  /// Which variant of the kernels runs (a test's choice).
  var variant: Int32 = 0

  init(_ shape: CacheShape, bits: Int, group: Int, capacity: Int) {
    heads = shape.keyValueHeads
    headSize = shape.headSize
    self.bits = bits
    self.group = group
    self.capacity = (capacity + 3) / 4 * 4
    var planeBits: [Int32] = [0, 0]
    let planes = gyro_value_planes(Int32(bits), &planeBits)
    let nibbles = heads * headSize * self.capacity
    low = CacheBuffer(count: nibbles * Int(planeBits[0]) / 8)
    high = CacheBuffer(count: planes > 1 ? nibbles * Int(planeBits[1]) / 8 : 0)
    let groups = (headSize + min(group, headSize) - 1) / min(group, headSize)
    scales = CacheBuffer(count: heads * groups * self.capacity)
    minima = CacheBuffer(count: heads * groups * self.capacity)
  }

  var planeBytes: Int { low.byteCount + high.byteCount }
  var scaleBytes: Int { scales.byteCount + minima.byteCount }

  private func layout(
    _ low: UnsafePointer<UInt8>, _ high: UnsafePointer<UInt8>, _ scales: UnsafePointer<UInt16>,
    _ minima: UnsafePointer<UInt16>, tokens: Int
  ) -> gyro_value_codes {
    var codes = gyro_value_codes()
    codes.planes = (UnsafeMutablePointer(mutating: low), UnsafeMutablePointer(mutating: high))
    codes.scales = UnsafeMutablePointer(mutating: scales)
    codes.minima = UnsafeMutablePointer(mutating: minima)
    (codes.heads, codes.head_size) = (Int64(heads), Int64(headSize))
    (codes.group, codes.capacity) = (Int64(group), Int64(capacity))
    (codes.tokens, codes.bits, codes.variant) = (Int64(tokens), Int32(bits), variant)
    return codes
  }

  /// Calls `body` with the layout for the kernels, for reading.
  private func withCodes<Result>(
    tokens: Int = 0, _ body: (UnsafePointer<gyro_value_codes>) -> Result
  ) -> Result {
    low.read { low in
      high.read { high in
        scales.read { scales in
          minima.read { minima in
            var codes = layout(low, high, scales, minima, tokens: tokens)
            return body(&codes)
          }
        }
      }
    }
  }

  /// Encodes tokens `[count, heads · headSize]` as `first` and following.
  mutating func encode(_ source: UnsafePointer<Float>, first: Int, count: Int) {
    var codes = layout(
      low.pointerForWriting(), high.pointerForWriting(), scales.pointerForWriting(),
      minima.pointerForWriting(), tokens: 0)
    gyro_value_encode(&codes, source, Int64(first), Int64(count))
    withExtendedLifetime(self) {}
  }

  /// Adds Σ w_t v_t of the first `tokens` tokens to `result`.
  func addSum(
    _ weights: UnsafePointer<Float>, stride: Int, queries: Int, queryHeads: Int, tokens: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    withCodes(tokens: tokens) { codes in
      let size = gyro_value_workspace(codes, Int64(queries), Int64(queryHeads))
      _ = Tensor.filled([Int(size)]) { workspace in
        gyro_value_sum(
          codes, weights, Int64(stride), Int64(queries), Int64(queryHeads), workspace, result)
      }
    }
  }

  /// One token of one head as its codes say, for tests.
  func decoded(head: Int, token: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: headSize) { buffer, count in
      withCodes { gyro_reference_value($0, Int64(head), Int64(token), buffer.baseAddress!) }
      count = headSize
    }
  }

  /// The stored scales of a token, by group, for tests.
  func scale(head: Int, token: Int, group index: Int) -> Float {
    let groups = scales.count / heads / capacity
    return scales.read {
      Float(Float16(bitPattern: $0[(head * groups + index) * capacity + token]))
    }
  }

  var parts: [String: [UInt8]] {
    [
      "low": low.contents, "high": high.contents, "scales": scales.contents,
      "minima": minima.contents,
    ]
  }

  mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    low.setContents(try snapshot.part("low", count: low.byteCount))
    high.setContents(try snapshot.part("high", count: high.byteCount))
    scales.setContents(try snapshot.part("scales", count: scales.byteCount))
    minima.setContents(try snapshot.part("minima", count: minima.byteCount))
  }
}
