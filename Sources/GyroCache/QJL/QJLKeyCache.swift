import CGyroKernels
public import GyroTensors

/// Keys as signs of a random projection: QJL (2406.03482).
///
/// A key of a head is one bit for each row of the sketch, and its norm. Queries are projected but not
/// quantized: ⟨q, k⟩ ≈ √(π/2)/m · ‖k‖ · ⟨Sq, sign(Sk)⟩. The newest tokens stay floats.
public struct QJLKeyCache: KeyCache {
  /// Tokens that are quantized together, and share their outlier channels.
  public static let group = 32

  public let shape: CacheShape
  public let options: QJLOptions
  public let sketches: QJLSketches
  public internal(set) var length = 0
  /// Tokens that are sketched; the others are in the window.
  public internal(set) var quantized = 0
  var inliers: SignCodes
  var outliers: SignCodes?
  var channels: OutlierChannels?
  var window: FloatRows

  /// - Parameter sketches: Made by another cache of the same options and head size, to share them.
  /// - Throws: `CacheError.sketchLength`, `CacheError.headSize` for heads that are not a multiple of
  ///   8, `CacheError.option` for anything else out of range.
  public init(
    _ shape: CacheShape, _ options: QJLOptions = .init(), sketches: QJLSketches? = nil
  ) throws(CacheError) {
    try shape.requireHeadSize(multipleOf: 8, for: "qjl")
    try shape.requireHeadSizeLimit(for: "qjl")
    guard options.window >= 0 else {
      throw .option("window", expected: "0 tokens or more", got: "\(options.window)")
    }
    let count = options.outliers.channels
    if options.outliers != .together {
      let most = min(shape.headSize - 1, 64)
      guard (1...most).contains(count) else {
        throw .option("outlier channels", expected: "1 to \(most)", got: "\(count)")
      }
      guard shape.headSize <= 256 else {
        throw .option(
          "outlier channels", expected: "heads of at most 256 elements", got: "\(shape.headSize)")
      }
    }
    let made: QJLSketches
    if let sketches { made = sketches } else { made = try .init(headSize: shape.headSize, options) }
    try Self.check(made, options, headSize: shape.headSize)
    self.shape = shape
    self.options = options
    self.sketches = made
    let groups = max(0, shape.capacity - options.window) / Self.group
    let tokens = groups * Self.group
    let correct = options.correctOrthogonalBias
    inliers = SignCodes(
      made.keys, heads: shape.keyValueHeads, tokens: tokens, correctOrthogonalBias: correct)
    outliers = made.outliers.map {
      SignCodes($0, heads: shape.keyValueHeads, tokens: tokens, correctOrthogonalBias: correct)
    }
    if count > 0 {
      channels = OutlierChannels(
        shape, count: count, groups: groups, keepsNumbers: made.outliers == nil)
    }
    window = FloatRows(
      shape, slots: min(options.window + Self.group, shape.capacity),
      precision: options.windowPrecision)
  }

  private static func check(
    _ sketches: QJLSketches, _ options: QJLOptions, headSize: Int
  ) throws(CacheError) {
    let expected = QJLSketches.names(headSize: headSize, options)
    guard sketches.names == expected else {
      throw .option(
        "shared sketches", expected: expected.joined(separator: ", "),
        got: sketches.names.joined(separator: ", "))
    }
  }

  public func check(_ keys: Tensor) throws(CacheError) {
    try shape.checkAppended(keys, "keys", after: length)
    // The norm is stored in Float16, so no element may exceed that divided by √headSize.
    try shape.checkMagnitudes(
      keys, "keys", after: length, largest: 65504 / Float(shape.headSize).squareRoot())
  }

  public mutating func append(_ keys: Tensor) throws(CacheError) {
    try check(keys)
    var done = 0
    while done < keys.shape[0] {
      let count = min(keys.shape[0] - done, window.slots - (length - quantized))
      keys.withElements {
        window.store($0 + done * shape.width, first: length, count: count)
      }
      length += count
      done += count
      while length - quantized >= options.window + Self.group { quantizeGroup() }
    }
  }

  /// Sketches the oldest 32 tokens of the window; always the same product, so that the same signs
  /// come out however tokens arrived.
  private mutating func quantizeGroup() {
    let keys = window.load(first: quantized, count: Self.group)
      .reshaped([Self.group * shape.keyValueHeads, shape.headSize])
    if let parts = channels?.split(keys, group: quantized / Self.group) {
      inliers.append(parts.inliers, first: quantized)
      outliers?.append(parts.outliers, first: quantized)
    } else {
      inliers.append(keys, first: quantized)
    }
    quantized += Self.group
  }

  public func scores(_ queries: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.queryHeads(of: queries)
    let queries = queries.contiguous()
    return Tensor.filled([queries.shape[0], heads, length]) { scores in
      if quantized > 0 { sketchedScores(queries, heads, into: scores) }
      window.scores(
        queries, queryHeads: heads, first: quantized, tokens: length - quantized,
        into: scores + quantized, stride: length)
    }
  }

  private func sketchedScores(
    _ queries: Tensor, _ heads: Int, into scores: UnsafeMutablePointer<Float>
  ) {
    let (count, stride) = (Int64(queries.shape[0]), Int64(length))
    let rows = queries.reshaped([queries.shape[0] * heads, shape.headSize])
    sketches.keys.projected(rows).withElements { sketched in
      inliers.withKeys(tokens: quantized) { keys in
        guard let channels else {
          gyro_sign_scores(keys, sketched, count, Int64(heads), scores, stride)
          return
        }
        sketches.keys.transposed.withElements { columns in
          channels.withOutliers(queries, columns: columns) {
            gyro_sign_inlier_scores(keys, $0, sketched, count, Int64(heads), scores, stride)
          }
        }
      }
    }
    guard let channels else { return }
    guard let outliers else {
      channels.addScores(
        queries, queryHeads: heads, tokens: quantized, to: scores, stride: length)
      return
    }
    outliers.withKeys(tokens: quantized) { keys in
      outliers.sketch.transposed.withElements { columns in
        channels.withOutliers(queries, columns: columns) {
          gyro_sign_outlier_scores(keys, $0, count, Int64(heads), scores, stride)
        }
      }
    }
  }

  /// The outlier channels of a group of 32 tokens, ascending.
  public func outlierChannels(head: Int, group: Int) -> [Int] {
    guard let channels else { return [] }
    return channels.indices.read { indices in
      (0..<channels.count).map {
        Int(indices[(head * channels.groups + group) * channels.count + $0])
      }
    }
  }
}
