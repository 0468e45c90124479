import CGyroKernels
import GyroTensors

/// The floats of the last `slots` tokens of every head: token t lies in slot t mod `slots`.
struct FloatRows: Sendable {
  let heads: Int
  let headSize: Int
  let slots: Int
  let precision: FloatPrecision
  private var buffer: CacheBuffer<UInt8>

  init(_ shape: CacheShape, slots: Int, precision: FloatPrecision) {
    heads = shape.keyValueHeads
    headSize = shape.headSize
    self.slots = slots
    self.precision = precision
    buffer = CacheBuffer(count: heads * slots * headSize * precision.byteCount)
  }

  var byteCount: Int { buffer.byteCount }
  var contents: [UInt8] { buffer.contents }
  mutating func setContents(_ bytes: [UInt8]) { buffer.setContents(bytes) }

  private func layout(
    _ pointer: UnsafePointer<UInt8>, first: Int = 0, tokens: Int = 0
  ) -> gyro_float_rows {
    gyro_float_rows(
      rows: UnsafeMutableRawPointer(mutating: pointer), is_half: precision == .float16 ? 1 : 0,
      heads: Int64(heads), slots: Int64(slots), head_size: Int64(headSize), first: Int64(first),
      tokens: Int64(tokens))
  }

  /// Stores tokens `[count, heads · headSize]` as `first` and following, over older ones.
  mutating func store(_ source: UnsafePointer<Float>, first: Int, count: Int) {
    precondition(count <= slots, "FloatRows: \(count) tokens do not fit \(slots) slots")
    let (heads, headSize, slots, isHalf) = (heads, headSize, slots, precision == .float16)
    buffer.write { pointer in
      var rows = gyro_float_rows(
        rows: pointer, is_half: isHalf ? 1 : 0, heads: Int64(heads), slots: Int64(slots),
        head_size: Int64(headSize), first: 0, tokens: 0)
      gyro_float_store(&rows, source, Int64(first), Int64(count))
    }
  }

  /// Tokens as floats, `[count, heads · headSize]`.
  func load(first: Int, count: Int) -> Tensor {
    Tensor.filled([count, heads * headSize]) { destination in
      buffer.read {
        var rows = layout($0)
        gyro_float_load(&rows, Int64(first), Int64(count), destination)
      }
    }
  }

  /// Writes ⟨q, k⟩ of `tokens` tokens from `first`; rows of scores are `stride` apart.
  func scores(
    _ queries: Tensor, queryHeads: Int, first: Int, tokens: Int,
    into scores: UnsafeMutablePointer<Float>, stride: Int
  ) {
    queries.withElements { queryElements in
      buffer.read {
        var rows = layout($0, first: first, tokens: tokens)
        gyro_float_scores(
          &rows, queryElements, Int64(queries.shape[0]), Int64(queryHeads), scores, Int64(stride))
      }
    }
  }

  /// Adds Σ w_t v_t of `tokens` tokens from `first` to `result`.
  func addSum(
    _ weights: UnsafePointer<Float>, stride: Int, queries: Int, queryHeads: Int, first: Int,
    tokens: Int, into result: UnsafeMutablePointer<Float>
  ) {
    buffer.read {
      var rows = layout($0, first: first, tokens: tokens)
      let size = gyro_float_workspace(&rows, Int64(queries), Int64(queryHeads))
      _ = Tensor.filled([Int(size)]) { workspace in
        gyro_float_sum(
          &rows, weights, Int64(stride), Int64(queries), Int64(queryHeads), workspace, result)
      }
    }
  }

  /// What `CacheBytes` and errors call the number type.
  var description: String { precision.rawValue }
}

extension CacheShape {
  /// The most elements of a head that the kernels take.
  static let headSizeLimit = gyro_cache_head_limit

  func requireHeadSizeLimit(for scheme: String) throws(CacheError) {
    guard headSize <= Self.headSizeLimit else {
      throw .option(
        scheme, expected: "heads of at most \(Self.headSizeLimit) elements", got: "\(headSize)")
    }
  }

  /// Checks that new tokens fit the type they are stored in.
  func checkMagnitudes(
    _ tensor: Tensor, _ what: String, after length: Int, largest: Float
  ) throws(CacheError) {
    guard let place = tensor.firstPlace(above: largest) else { return }
    let value = tensor.withElements { $0[place] }
    throw .tooLarge(
      what, token: length + place / width, head: place % width / headSize, value: value,
      largest: largest)
  }
}
