import CGyroKernels
import GyroManifolds
import GyroTensors

/// One independent instance of TurboQuant: rows of `width` coordinates of all heads, which share its
/// rotation, its levels and its sketch.
struct TurboInstance: Sendable {
  let width: Int
  private let rotation: RowRotation
  private let codebook: TurboCodebook
  /// Gaussian `[width, width]` and its transpose: the sketch of a residual r is r·G.
  private let sketch: (forward: RowMatrix, back: RowMatrix)?
  private var rows: PackedRows?
  private var signs: PackedRows?

  init(
    _ shape: CacheShape, width: Int, bits: Int, estimator: TurboScheme.Estimator,
    rotation: CacheRotation, seed: UInt64, part: Int
  ) {
    self.width = width
    self.rotation = RowRotation(rotation.derived(part), size: width)
    let hasSketch = estimator == .innerProduct
    let bits = hasSketch ? bits - 1 : bits
    codebook = TurboCodebook(bits: bits, dimension: width)
    func packed(_ bits: Int, _ levels: [Float]) -> PackedRows {
      PackedRows(
        heads: shape.keyValueHeads, capacity: shape.capacity, width: width, bits: bits,
        group: width, levels: .table(levels))
    }
    rows = bits > 0 ? packed(bits, codebook.levels) : nil
    guard hasSketch else {
      (sketch, signs) = (nil, nil)
      return
    }
    var stream = RandomStream(seed: seed).derived("turbo sketch", part)
    let matrix = RandomMatrix.gaussian(rows: width, columns: width, seed: stream.next())
    sketch = (RowMatrix(matrix), RowMatrix(matrix.transposed()))
    // The estimator's factor √(π/2)/d rides on the signs.
    let level = Float((Double.pi / 2).squareRoot() / Double(width))
    signs = packed(1, [-level, level])
  }

  /// Encodes rows `[heads, count, width]` as tokens `first …`.
  mutating func encode(_ x: Tensor, count: Int, first: Int) {
    let rotated = rotation.applied(to: x), lines = x.count / width
    var codes = [UInt8](repeating: 0, count: x.count)
    var norms = [UInt16](repeating: 0, count: lines)
    let residual = Tensor.filled([lines, width]) { residual in
      rotated.withElements {
        gyro_turbo_encode(
          $0, Int64(lines), Int32(width), codebook.thresholds, Int32(codebook.thresholds.count),
          codebook.levels, &codes, &norms, sketch == nil ? nil : residual)
      }
    }
    rows?.store(codes, scales: norms, first: first, count: count)
    guard let sketch else { return }
    let sketched = sketch.forward.applied(to: residual)
    sketched.withElements { sketched in
      residual.withElements {
        gyro_turbo_signs(sketched, $0, Int64(lines), Int32(width), &codes, &norms)
      }
    }
    signs?.store(codes, scales: norms, first: first, count: count)
  }

  /// Writes (or adds) scores for queries `[queries, queryHeads, width]`.
  func scores(
    _ queries: Tensor, queries count: Int, queryHeads: Int, tokens: Int,
    into scores: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool
  ) {
    let rotated = rotation.applied(to: queries)
    rows?.scores(
      rotated, queries: count, queryHeads: queryHeads, tokens: tokens, into: scores,
      stride: stride, accumulate: accumulate)
    guard let sketch else { return }
    signs?.scores(
      sketch.forward.applied(to: rotated), queries: count, queryHeads: queryHeads,
      tokens: tokens, into: scores, stride: stride, accumulate: accumulate || rows != nil)
  }

  /// Σ w_t x_t `[queries, queryHeads, width]`: summed as rotated codes, rotated back once.
  func weighted(
    _ weights: UnsafePointer<Float>, queries: Int, queryHeads: Int, tokens: Int, stride: Int
  ) -> Tensor {
    var sum = rows?.weighted(
      weights, queries: queries, queryHeads: queryHeads, tokens: tokens, stride: stride)
    if let sketch, let signs {
      let sketched = sketch.back.applied(
        to: signs.weighted(
          weights, queries: queries, queryHeads: queryHeads, tokens: tokens, stride: stride))
      sum = sum.map { $0.reshaped(to: [queries * queryHeads, width]) + sketched } ?? sketched
    }
    return rotation.undone(sum!)
  }

  /// What the codes stand for, `[heads · tokens, width]`.
  func decoded(tokens: Int) -> Tensor {
    var sum = rows?.decoded(tokens: tokens)
    if let sketch, let signs {
      let sketched = sketch.back.applied(to: signs.decoded(tokens: tokens))
      sum = sum.map { $0.reshaped(to: sketched.shape) + sketched } ?? sketched
    }
    return rotation.undone(sum!)
  }

  var bytes: CacheBytes {
    var bytes = CacheBytes(
      codes: (rows?.codeBytes ?? 0) + (signs?.codeBytes ?? 0),
      norms: (rows?.scaleBytes ?? 0) + (signs?.scaleBytes ?? 0))
    bytes.shared["turbo codebook \(width), \(codebook.levels.count) levels"] =
      (codebook.levels.count + codebook.thresholds.count) * 4
    if rotation.byteCount > 0 { bytes.shared["turbo rotation \(width)"] = rotation.byteCount }
    if sketch != nil { bytes.shared["turbo sketch \(width)"] = 2 * width * width * 4 }
    return bytes
  }

  func parts(_ prefix: String) -> [String: [UInt8]] {
    (rows?.parts(prefix) ?? [:]).merging(signs?.parts(prefix + "signs ") ?? [:]) { $1 }
  }

  mutating func restore(_ snapshot: CacheSnapshot, _ prefix: String) throws(CacheError) {
    try rows?.restore(snapshot, prefix)
    try signs?.restore(snapshot, prefix + "signs ")
  }
}
