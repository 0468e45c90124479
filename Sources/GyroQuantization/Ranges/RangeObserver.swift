public import GyroTensors

/// Watches the values that pass one place, batch by batch, and finds a range for them.
///
/// A value: its state is what it has seen, and `archive` keeps that exactly, so a run that was
/// killed goes on to the same range, bit for bit. Batches without elements change nothing. A stream
/// of nothing but zeros has the range `0 … 0`, whose scale is 1 and whose codes are those of zero.
public struct RangeObserver: Sendable {
  public let method: RangeMethod
  /// What it watches, for messages.
  public let site: String
  /// How many values were seen.
  public private(set) var count = 0
  /// The extremes so far; for a moving average, the averaged ones.
  public private(set) var lowest: Float = 0
  public private(set) var highest: Float = 0
  /// What was seen, for the methods that need it.
  public private(set) var histogram: RangeHistogram?
  /// Rows of logits for `cross-entropy`: the first `maximumRows`.
  var logits: Tensor?

  /// How many rows of logits are kept.
  static let maximumRows = 1024

  /// - Parameters:
  ///   - bins: of the histogram, where there is one.
  ///   - site: what is watched, for messages.
  /// - Throws: `RangeError` for a method with a number out of range, and `.needs` for
  ///   `batch-norm`, which watches no values (see `BatchNormRange`).
  public init(
    _ method: RangeMethod, bins: Int = 2048, site: String = "tensor"
  ) throws(RangeError) {
    try method.validate()
    self.method = method
    self.site = site
    switch method {
    case .percentile, .entropy, .meanSquare, .clipSearch, .analytic:
      histogram = RangeHistogram(bins: bins)
    case .batchNorm:
      throw .needs(method, "the batch norm before this place, not values; try 'moving-average'")
    case .minMax, .movingAverage, .crossEntropy: break
    }
  }

  // MARK: Observing

  /// Takes in a batch of any shape; for `cross-entropy`, logits `[…, classes]`.
  /// - Throws: `RangeError.notFinite`, or `.classes` for rows of another length than before. The
  ///   observer is then as it was.
  public mutating func observe(_ batch: Tensor) throws(RangeError) {
    guard batch.count > 0 else { return }
    let batch = batch.contiguous()
    let low = batch.minimum(), high = batch.maximum()
    guard low.isFinite, high.isFinite else { throw .notFinite(site: site) }
    if method == .crossEntropy { try keep(batch) }
    try histogram?.add(batch, site: site)
    if count == 0 {
      (lowest, highest) = (low, high)
    } else if case .movingAverage(let momentum) = method {
      lowest = momentum * lowest + (1 - momentum) * low
      highest = momentum * highest + (1 - momentum) * high
    } else {
      (lowest, highest) = (min(lowest, low), max(highest, high))
    }
    count += batch.count
  }

  private mutating func keep(_ batch: Tensor) throws(RangeError) {
    let rows = batch.reshaped([batch.shape.rows, batch.shape.columns])
    let kept = logits?.shape.rows ?? 0
    if let logits, logits.shape.columns != rows.shape.columns {
      throw .classes(site: site, expected: logits.shape.columns, got: rows.shape.columns)
    }
    let room = min(Self.maximumRows - kept, rows.shape.rows)
    guard room > 0 else { return }
    let part = rows.sliced(axis: 0, 0..<room)
    logits = logits.map { Tensor.concatenated([$0, part], axis: 0) } ?? part.copied()
  }

  /// Takes on the state of another.
  mutating func restore(count: Int, lowest: Float, highest: Float, histogram: RangeHistogram?) {
    self.count = count
    self.lowest = lowest
    self.highest = highest
    self.histogram = histogram
  }

  // MARK: The range

  /// The range for a quantizer with one scale; of `quantizer` the format, the scale's type and the
  /// symmetry matter.
  ///
  /// A symmetric quantizer gets `−a … a`, or `0 … a` if its format is unsigned, but for `min-max` and
  /// `moving-average`, which give the extremes themselves. `entropy` finds a threshold for
  /// magnitudes; an asymmetric range is then cut at it on both sides.
  /// - Throws: `RangeError.empty` when nothing was seen, `.unsigned` for negative values under a
  ///   format without them, `.unsuitable` for `entropy` and `aciq` with other formats than integers.
  public func range(for quantizer: Quantizer) throws(RangeError) -> ClosedRange<Float> {
    guard count > 0 else { throw .empty(site: site) }
    if quantizer.isSymmetric, !quantizer.format.isSigned, lowest < 0 {
      throw .unsigned(site: site, format: quantizer.format.name, lowest: lowest)
    }
    guard lowest < 0 || highest > 0 else { return 0...0 }
    switch method {
    case .minMax, .movingAverage:
      return lowest...highest
    case .crossEntropy:
      guard let logits else { throw .empty(site: site) }
      return try LogitsRange.range(of: logits, quantizer: quantizer, site: site)
    case .percentile, .entropy, .meanSquare, .clipSearch, .analytic:
      guard let histogram else { throw .empty(site: site) }
      return try range(histogram, quantizer)
    case .batchNorm:
      throw .needs(method, "the batch norm before this place")
    }
  }

  private func range(
    _ histogram: RangeHistogram, _ quantizer: Quantizer
  ) throws(RangeError) -> ClosedRange<Float> {
    let largest = max(-lowest, highest)
    switch method {
    case .percentile(let percent):
      if percent == 100 { return cut(largest, quantizer) }
      guard quantizer.isSymmetric else {
        return PercentileRange.ends(histogram, percent: percent)
      }
      let threshold = PercentileRange.threshold(
        histogram.magnitudes, width: histogram.width, percent: percent)
      return cut(threshold ?? largest, quantizer)
    case .entropy:
      let bits = try integerBits(quantizer)
      let isHalf = quantizer.format.isSigned && (quantizer.isSymmetric || lowest < 0)
      let bins = EntropyRange.bins(histogram.magnitudes, levels: 1 << (isHalf ? bits - 1 : bits))
      return cut(bins.map(histogram.edge) ?? largest, quantizer)
    case .analytic(let distribution):
      let range = histogram.analyticRange(distribution, bits: try integerBits(quantizer))
      guard quantizer.isSymmetric else {
        return max(range.lowerBound, min(lowest, 0))...min(range.upperBound, max(highest, 0))
      }
      return cut(min(max(-range.lowerBound, range.upperBound), largest), quantizer)
    default:
      return histogram.leastErrorRange(method, quantizer)
    }
  }

  private func integerBits(_ quantizer: Quantizer) throws(RangeError) -> Int {
    guard case .integers = quantizer.format.arithmetic else {
      throw .unsuitable(method, format: quantizer.format.name)
    }
    return quantizer.format.bits
  }

  /// The range that a threshold for magnitudes leaves.
  private func cut(_ threshold: Float, _ quantizer: Quantizer) -> ClosedRange<Float> {
    guard quantizer.isSymmetric else {
      return max(min(lowest, 0), -threshold)...min(max(highest, 0), threshold)
    }
    return (quantizer.format.isSigned ? -threshold : 0)...threshold
  }
}
