import CGyroKernels
import CGyroParallel
import GyroQuantization
import GyroTensors
import Testing

@Suite("Histograms that grow and merge")
struct RangesHistogramTests {
  private func histogram(_ batches: [Tensor], limit: Float? = nil, bins: Int = 64) throws
    -> RangeHistogram
  {
    var result = RangeHistogram(bins: bins, limit: limit)
    for batch in batches { try result.add(batch) }
    return result
  }

  @Test("with a fixed range, batches give the one-shot histogram, and so does merging")
  func oneShot() throws {
    var stream = RandomStream(seed: 1)
    let all = stream.normal([4000])
    let parts = [0..<1, 1..<1500, 1500..<1501, 1501..<4000].map { all.sliced(axis: 0, $0) }
    let whole = try histogram([all], limit: 6)
    #expect(try histogram(parts, limit: 6) == whole)
    var merged = RangeHistogram(bins: 64)
    for part in parts { merged.merge(try histogram([part], limit: 6)) }
    #expect(merged.positive == whole.positive)
    #expect(merged.negative == whole.negative)
    #expect(merged.width == whole.width)
    #expect(whole.total == 4000)
  }

  @Test(
    "a larger batch adds bins of the same width; the result is that of the width from the start")
  func growth() throws {
    var stream = RandomStream(seed: 2)
    let small = stream.normal([1000]), large = stream.normal([1000], standardDeviation: 3)
    let grown = try histogram([small, large])
    #expect(grown.width == small.maximumMagnitude / 64)
    #expect(grown.bins > 64)
    let order = try histogram([large], limit: small.maximumMagnitude)
    var other = try histogram([small], limit: small.maximumMagnitude)
    other.merge(order)
    #expect(other == grown)
    let magnitude = large.maximumMagnitude
    #expect(grown.edge(grown.bins) >= magnitude)
    #expect(grown.edge(grown.bins - 1) < magnitude)
    #expect(grown.magnitudes.reduce(0, +) == 2000)
  }

  @Test("growth beyond four times the bins joins neighbors, losing no count")
  func folding() throws {
    let batch = Tensor([4], elements: [1, -0.5, 0.25, 0])
    let grown = try histogram([batch, Tensor([2], elements: [1e6, -3e5])])
    #expect(grown.total == 6)
    #expect(grown.zeros == 1)
    #expect(grown.bins <= 4 * 64)
    #expect(grown.width.significand == (Float(1) / 64).significand)
    let direct = try histogram(
      [batch, Tensor([2], elements: [1e6, -3e5])], limit: grown.width * 64)
    #expect(direct.positive == grown.positive)
    #expect(direct.negative == grown.negative)
    // The whole range of Float32 in one stream.
    let extreme = try histogram([
      Tensor([1], elements: [1e-38]), Tensor([1], elements: [3e38]),
      Tensor([1], elements: [-3.4e38]),
    ])
    #expect(extreme.total == 3)
  }

  @Test("merging other widths keeps every count within half a bin of its place")
  func otherWidths() throws {
    var stream = RandomStream(seed: 5)
    let a = stream.normal([5000]), b = stream.normal([5000], standardDeviation: 0.3)
    for (first, second) in [(a, b), (b, a)] {
      var merged = try histogram([first], bins: 512)
      let other = try histogram([second], bins: 512)
      merged.merge(other)
      #expect(merged.total == 10_000)
      let exact = try histogram([a, b], limit: merged.width * 512, bins: 512)
      var (sum, reference) = (0, 0)
      var worst = 0
      for bin in 0..<min(merged.bins, exact.bins) {
        sum += merged.positive[bin]
        reference += exact.positive[bin]
        worst = max(worst, abs(sum - reference))
      }
      #expect(worst < 40)
    }
  }

  @Test("zeros before the first value wait for it; an empty histogram merges away")
  func zeros() throws {
    let zeros = Tensor.zeros([10])
    let values = Tensor([2], elements: [1, -1])
    let late = try histogram([zeros, values])
    #expect(late == (try histogram([values, zeros])))
    #expect(late.magnitudes[0] == 10)
    var merged = try histogram([zeros])
    merged.merge(late)
    #expect(merged.zeros == 20)
    merged.merge(RangeHistogram())
    #expect(merged.total == 22)
  }

  @Test("the kernel equals the plain loop, for any number of threads")
  func kernel() throws {
    var stream = RandomStream(seed: 9)
    var x = stream.normal([300_001]).elements
    for place in stride(from: 0, to: x.count, by: 3) { x[place] = max(0, x[place]) }
    x[5] = 0.25
    x[6] = -0.25
    x[7] = 1e30
    x[8] = -.leastNonzeroMagnitude
    for bins in [Int64(16), 2048] {
      let size = Int(2 * bins + 1)
      var reference = [Int64](repeating: 1, count: size)
      gyro_reference_histogram(x, Int64(x.count), 0.125, bins, &reference)
      for threads in [1, 2, 3] {
        gyro_set_thread_count(Int32(threads))
        var counts = [Int64](repeating: 1, count: size)
        gyro_histogram(x, Int64(x.count), 0.125, bins, &counts)
        let isEqual = counts == reference  // the whole tables make no readable message
        #expect(isEqual, "\(bins) bins, \(threads) threads")
      }
      gyro_set_thread_count(0)
    }
  }

  @Test("an archive restores every bit, with counts beyond 2²⁴")
  func archive() throws {
    let counts = [1 << 24 | 1, (1 << 53) + 1, 0, Int.max >> 1]
    let histogram = RangeHistogram(
      width: 0.1, positive: counts, negative: counts.reversed(), zeros: 1 << 40 | 3)
    #expect(try RangeHistogram(archive: histogram.archive) == histogram)
    #expect(try RangeHistogram(archive: RangeHistogram().archive) == RangeHistogram())
    var broken = histogram.archive
    broken["positive"] = Tensor([1, 3], elements: [0.5, 0, 0])
    let error = #expect(throws: RangeError.self) { try RangeHistogram(archive: broken) }
    #expect(error == .archive(key: "positive", "does not hold counts"))
    broken["positive"] = nil
    #expect(throws: RangeError.archive(key: "positive", "is missing")) {
      try RangeHistogram(archive: broken)
    }
  }
}
