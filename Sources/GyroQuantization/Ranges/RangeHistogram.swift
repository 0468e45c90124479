import CGyroKernels
public import GyroTensors

/// How often values of each size were seen, in bins of equal width on either side of zero.
///
/// ```
///        −2w     −w      0       w      2w
///    ─────[───────[──────┼───────]───────]─────   bin i above zero: i·w < x ≤ (i+1)·w
///      bin 1   bin 0   zeros   bin 0   bin 1
/// ```
/// The first batch with a value other than zero sets the width to `max|x| / bins` (2004.09602 and
/// its toolkit). A larger value later adds bins of that width; when there would be more than
/// `4 · bins`, neighbors are joined and the width doubles. Bins close at their far end, so that the
/// largest value lies in the last bin and growth moves nothing.
///
/// Laws: a stream in any number of batches gives the histogram of the whole at the same width, and
/// merging histograms of one width, or of widths a power of two apart, gives that of both streams.
/// The first does not hold between streams whose first batches differ: their widths do.
public struct RangeHistogram: Sendable, Hashable {
  /// How many bins the first batch is spread over; the least there are.
  public let initialBins: Int
  /// Width of a bin; 0 before the first value other than zero.
  public private(set) var width: Float
  /// How many values were zero.
  public private(set) var zeros: Int
  /// Counts below and above zero, from zero outwards; as many on both sides.
  public private(set) var negative: [Int]
  public private(set) var positive: [Int]

  /// An empty histogram.
  /// - Parameters:
  ///   - bins: how many the range is cut into.
  ///   - limit: the range to start with, when it is known; else the first batch's largest magnitude.
  public init(bins: Int = 2048, limit: Float? = nil) {
    precondition(bins >= 2 && bins <= 1 << 22, "RangeHistogram: \(bins) bins; use 2 to 4194304")
    precondition(
      limit.map { $0 > 0 && $0.isFinite } ?? true,
      "RangeHistogram: a limit is positive and finite")
    initialBins = bins
    zeros = 0
    negative = []
    positive = []
    width = 0
    if let limit { start(limit) }
  }

  /// A histogram of given counts, from zero outwards.
  package init(width: Float, positive: [Int], negative: [Int]? = nil, zeros: Int = 0) {
    self.init(bins: positive.count)
    self.width = width
    self.positive = positive
    self.negative = negative ?? [Int](repeating: 0, count: positive.count)
    self.zeros = zeros
  }

  init(initialBins: Int, width: Float, zeros: Int, negative: [Int], positive: [Int]) {
    self.initialBins = initialBins
    self.width = width
    self.zeros = zeros
    self.negative = negative
    self.positive = positive
  }

  /// Number of bins on each side of zero.
  public var bins: Int { positive.count }

  /// Number of values.
  public var total: Int { zeros + positive.reduce(0, +) + negative.reduce(0, +) }

  /// Counts of |x| per bin, zeros in the first: NVIDIA's histogram.
  public var magnitudes: [Int] {
    var result = zip(positive, negative).map(+)
    if !result.isEmpty { result[0] += zeros }
    return result
  }

  /// Where bin `index` begins: `index · width`.
  public func edge(_ index: Int) -> Float { Float(index) * width }

  /// The middle of bin `index`.
  public func center(_ index: Int) -> Float { (Float(index) + 0.5) * width }

  // MARK: Counting

  /// Counts the elements of a batch.
  /// - Throws: `RangeError.notFinite`; the histogram is then as it was.
  public mutating func add(_ batch: Tensor, site: String = "tensor") throws(RangeError) {
    let largest = batch.maximumMagnitude
    guard largest.isFinite else { throw .notFinite(site: site) }
    guard largest > 0 else {
      zeros += batch.count
      return
    }
    if width == 0 { start(largest) }
    grow(to: largest)
    var counts = negative.reversed().map(Int64.init) + [Int64(zeros)] + positive.map(Int64.init)
    batch.withElements {
      gyro_histogram($0, Int64(batch.count), width, Int64(bins), &counts)
    }
    let middle = bins
    negative = counts[..<middle].reversed().map(Int.init)
    zeros = Int(counts[middle])
    positive = counts[(middle + 1)...].map(Int.init)
  }

  /// Adds the counts of another histogram: exact when one width is the other's times a power of two;
  /// else each bin of the narrower goes where its middle lies in the wider.
  public mutating func merge(_ other: RangeHistogram) {
    guard other.width > 0 else {
      zeros += other.zeros
      return
    }
    guard width > 0 else {
      let zeros = self.zeros
      self = RangeHistogram(
        initialBins: initialBins, width: other.width, zeros: other.zeros + zeros,
        negative: other.negative, positive: other.positive)
      return
    }
    var other = other
    while width < other.width, 2 * width <= other.width { fold() }
    while other.width < width, 2 * other.width <= width { other.fold() }
    if other.width > width { swap(&self, &other) }
    if let last = other.lastBin {
      grow(to: other.width == width ? other.edge(last + 1) : other.center(last))
      // Growth may have folded this side once more than the other.
      while 2 * other.width <= width { other.fold() }
    }
    zeros += other.zeros
    for bin in 0..<other.bins where other.positive[bin] + other.negative[bin] > 0 {
      let place =
        other.width == width
        ? bin : min(bins - 1, Int((other.center(bin) / width).rounded(.down)))
      positive[place] += other.positive[bin]
      negative[place] += other.negative[bin]
    }
  }

  /// The last bin that is not empty on both sides.
  private var lastBin: Int? {
    (0..<bins).last { positive[$0] + negative[$0] > 0 }
  }

  private mutating func start(_ limit: Float) {
    width = max(limit / Float(initialBins), .leastNormalMagnitude)
    while limit / width > Float(initialBins) { width = width.nextUp }
    positive = [Int](repeating: 0, count: initialBins)
    negative = positive
  }

  /// Makes room for values up to `limit`.
  private mutating func grow(to limit: Float) {
    while limit / width > Float(4 * initialBins) { fold() }
    let missing = Int((limit / width).rounded(.up)) - bins
    guard missing > 0 else { return }
    positive += [Int](repeating: 0, count: missing)
    negative += [Int](repeating: 0, count: missing)
  }

  /// Joins neighbors; the number of bins never falls below the first.
  private mutating func fold() {
    width *= 2
    positive = Self.folded(positive, atLeast: initialBins)
    negative = Self.folded(negative, atLeast: initialBins)
  }

  private static func folded(_ counts: [Int], atLeast bins: Int) -> [Int] {
    let pairs = stride(from: 0, to: counts.count, by: 2).map {
      counts[$0] + ($0 + 1 < counts.count ? counts[$0 + 1] : 0)
    }
    return pairs + [Int](repeating: 0, count: max(0, bins - pairs.count))
  }
}

extension RangeHistogram {
  /// Everything, exactly; keys are `width`, `zeros`, `negative`, `positive`, `bins`.
  public var archive: [String: Tensor] {
    [
      "width": Tensor([1], elements: [width]),
      "bins": ExactCounts.tensor([initialBins]),
      "zeros": ExactCounts.tensor([zeros]),
      "negative": ExactCounts.tensor(negative),
      "positive": ExactCounts.tensor(positive),
    ]
  }

  /// - Throws: `RangeError.archive` naming the key that is missing or wrong.
  public init(archive: [String: Tensor]) throws(RangeError) {
    let reader = ArchiveReader(archive)
    let width = try reader.floats("width", count: 1)[0]
    let bins = try reader.counts("bins")
    let zeros = try reader.counts("zeros")
    let negative = try reader.counts("negative")
    let positive = try reader.counts("positive")
    guard bins.count == 1, bins[0] >= 2, zeros.count == 1 else {
      throw .archive(key: "bins", "holds no number of bins")
    }
    guard negative.count == positive.count, width >= 0, width.isFinite,
      width > 0 ? positive.count >= bins[0] : positive.isEmpty
    else { throw .archive(key: "positive", "does not fit the other counts") }
    self.init(
      initialBins: bins[0], width: width, zeros: zeros[0], negative: negative, positive: positive)
  }
}
