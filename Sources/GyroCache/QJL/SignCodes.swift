import CGyroKernels
import GyroTensors

/// The signs of sketched keys, one bit each, and their norms in Float16; `gyro_cache_sign.h`
/// describes the layout.
struct SignCodes: Sendable {
  let sketch: Sketch
  private let heads: Int
  /// Blocks of 16 tokens for each head.
  private let blocks: Int
  private(set) var codes: CacheBuffer<UInt32>
  private(set) var norms: CacheBuffer<UInt16>
  /// √(π/2)/m, over β_d where that is corrected.
  private let factor: Float
  /// Which variant of the kernels runs (a test's choice).
  var variant: Int32 = 0

  init(_ sketch: Sketch, heads: Int, tokens: Int, correctOrthogonalBias: Bool) {
    self.sketch = sketch
    self.heads = heads
    blocks = (tokens + 15) / 16
    codes = CacheBuffer(count: heads * blocks * sketch.rows / 2)
    norms = CacheBuffer(count: heads * blocks * 16)
    let bias = correctOrthogonalBias ? sketch.kind.bias(columns: sketch.columns) : 1
    factor = Float((Double.pi / 2).squareRoot() / Double(sketch.rows) / bias)
  }

  /// Sketches keys `[tokens · heads, headSize]`, token by token, as tokens `first` and following.
  mutating func append(_ keys: Tensor, first: Int) {
    let (rows, tokens) = (sketch.rows, keys.shape[0] / heads)
    let (projected, size) = (sketch.projected(keys), sketch.columns)
    let codePointer = codes.pointerForWriting(), normPointer = norms.pointerForWriting()
    projected.withElements { projections in
      for head in 0..<heads {
        gyro_sign_pack(
          projections + head * rows, Int64(tokens), Int64(heads * rows), Int64(rows), Int64(first),
          codePointer + head * blocks * rows / 2)
      }
    }
    keys.withElements { elements in
      for row in 0..<tokens * heads {
        var sum = 0.0
        for place in row * size..<(row + 1) * size {
          sum += Double(elements[place]) * Double(elements[place])
        }
        normPointer[row % heads * blocks * 16 + first + row / heads] =
          Float16(sum.squareRoot()).bitPattern
      }
    }
    withExtendedLifetime(self) {}
  }

  /// Calls `body` with the layout for the kernels.
  func withKeys(tokens: Int, _ body: (UnsafePointer<gyro_sign_keys>) -> Void) {
    codes.read { codes in
      norms.read { norms in
        var keys = gyro_sign_keys(
          codes: codes, norms: norms, heads: Int64(heads), blocks: Int64(blocks),
          rows: Int64(sketch.rows), tokens: Int64(tokens), factor: factor, variant: variant)
        body(&keys)
      }
    }
  }

  func add(to parts: inout [String: [UInt8]], as name: String) {
    parts[name + " codes"] = codes.contents
    parts[name + " norms"] = norms.contents
  }

  mutating func restore(_ snapshot: CacheSnapshot, as name: String) throws(CacheError) {
    codes.setContents(try snapshot.part(name + " codes", count: codes.byteCount))
    norms.setContents(try snapshot.part(name + " norms", count: norms.byteCount))
  }
}
