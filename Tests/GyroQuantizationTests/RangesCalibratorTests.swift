import Foundation
import GyroQuantization
import GyroTensors
import Testing

@Suite("Calibrators of 2004.09602")
struct RangesCalibratorTests {
  private func observed(
    _ method: RangeMethod, _ batches: [[Float]], isSymmetric: Bool = true,
    format: any NumberFormat = IntegerFormat.int8
  ) throws -> ClosedRange<Float> {
    var observer = try RangeObserver(method)
    for batch in batches { try observer.observe(Tensor([batch.count], elements: batch)) }
    return try observer.range(for: .tensor(format, isSymmetric: isSymmetric))
  }

  @Test("max: the extremes of a known stream")
  func minMax() throws {
    #expect(try observed(.minMax, [[1, -2, 0.5], [3], [-1, 2]]) == -2...3)
    #expect(try observed(.minMax, [[4, 5]]) == 4...5)
  }

  @Test("moving average: momentum 0.9, the first batch starts it")
  func movingAverage() throws {
    let range = try observed(.movingAverage(), [[-1, 1], [-2, 11], [0, 6]])
    // 1 → 0.9 + 1.1 = 2 → 1.8 + 0.6 = 2.4;  −1 → −0.9 − 0.2 = −1.1 → −0.99
    #expect(abs(range.upperBound - 2.4) < 1e-6)
    #expect(abs(range.lowerBound + 0.99) < 1e-6)
    #expect(try observed(.movingAverage(momentum: 0), [[-1, 1], [-2, 11]]) == -2...11)
  }

  @Test("dynamic: the range of each batch is its largest magnitude")
  func dynamic() throws {
    let quantizer = try Quantizer.tensor(IntegerFormat.int8)
    var stream = RandomStream(seed: 3)
    for size in [7, 100, 4097] {
      let batch = stream.normal([size])
      let ranges = try WeightRanges.ranges(of: batch, quantizer: quantizer, method: .minMax)
      #expect(ranges == [batch.minimum()...batch.maximum()])
      let scale = quantizer.scales(ranges: ranges).scales.elements
      #expect(scale == [batch.maximumMagnitude / 127])
      #expect(try quantizer.scales(covering: batch).scales.elements == scale)
    }
  }

  @Test(
    "entropy: the six indices of NVIDIA's algorithm, exactly",
    arguments: [
      (0, 8, 1646, Float(4.822266)), (0, 4, 1201, 3.518555), (1, 8, 1280, 11.25),
      (1, 4, 696, 6.117188), (2, 8, 2048, 12.0), (2, 4, 593, 3.474609),
    ])
  func entropy(source: Int, bits: Int, index: Int, expected: Float) throws {
    let histogram = [KnownData.halfNormal, KnownData.exponential, KnownData.outliers][source]
    let observer = try RangeObserver(.entropy, seen: histogram)
    let range = try observer.range(for: .tensor(IntegerFormat(bits: bits)))
    #expect(range.upperBound == histogram.edge(index))
    #expect(range.lowerBound == -range.upperBound)
    #expect(abs(range.upperBound - expected) < 1e-6)
  }

  @Test(
    "entropy: an unsigned format has twice the levels, and cuts asymmetric ranges on both sides")
  func entropyLevels() throws {
    let observer = try RangeObserver(.entropy, seen: KnownData.exponential)
    let signed = try observer.range(for: .tensor(IntegerFormat.int8))
    let unsigned = try observer.range(for: .tensor(IntegerFormat(bits: 7, isSigned: false)))
    let asymmetric = try observer.range(
      for: .tensor(IntegerFormat(bits: 7, isSigned: false), isSymmetric: false))
    #expect(unsigned == 0...signed.upperBound)
    #expect(asymmetric == 0...signed.upperBound)
  }

  @Test("entropy and ACIQ refuse formats whose values are not evenly spaced")
  func unsuitable() throws {
    let observer = try RangeObserver(.entropy, seen: KnownData.exponential)
    let quantizer = try Quantizer.tensor(Minifloat.e4m3)
    let error = #expect(throws: RangeError.self) { try observer.range(for: quantizer) }
    #expect(
      error?.description == "'entropy' assumes evenly spaced values, which e4m3 has not; try 'mse'")
  }

  @Test("percentile: the edges of four percentages, and the exact quantile within one bin")
  func percentile() throws {
    let percents = [99.9, 99.99, 99.999, 99.9999]
    let cases: [(RangeHistogram, [Float], [Float]?)] = [
      (
        KnownData.halfNormal, [3.290039, 3.887695, 4.415039, 4.886719],
        [3.290527, 3.890592, 4.417173, 4.891638]
      ),
      (
        KnownData.exponential, [6.899414, 9.202148, 11.504883, 13.772461],
        [6.907755, 9.210340, 11.512925, 13.815511]
      ),
      (KnownData.outliers, [3.316406, 9.996094, 11.794922, 11.976562], nil),
    ]
    for (histogram, edges, quantiles) in cases {
      for (place, percent) in percents.enumerated() {
        let observer = try RangeObserver(.percentile(percent), seen: histogram)
        let range = try observer.range(for: .tensor(IntegerFormat.int8))
        #expect(abs(range.upperBound - edges[place]) < 1e-6)
        // Beyond 99.999 % an exponential's counts are rounded to whole numbers of a few tens.
        guard let quantiles, percent < 99.9999 else { continue }
        let below = quantiles[place] - range.upperBound
        #expect(below >= 0 && below <= histogram.width)
      }
    }
  }

  @Test("percentile of a tensor at hand is the exact quantile; both tails share what is cut")
  func exactPercentile() throws {
    let x = Tensor([1000], elements: (1...1000).map { Float($0 % 2 == 0 ? $0 : -$0) })
    let symmetric = try Quantizer.tensor(IntegerFormat.int8)
    let asymmetric = try Quantizer.tensor(IntegerFormat.int8, isSymmetric: false)
    let method = RangeMethod.percentile(99)
    #expect(
      try WeightRanges.ranges(of: x, quantizer: symmetric, method: method) == [-990...990])
    #expect(
      try WeightRanges.ranges(of: x, quantizer: asymmetric, method: method) == [-989...990])
    var observer = try RangeObserver(method)
    try observer.observe(x)
    let range = try observer.range(for: asymmetric)
    let width = try #require(observer.histogram).width
    #expect(abs(range.upperBound - 990) <= 2 * width)
    #expect(abs(range.lowerBound + 989) <= 2 * width)
    // 100 % is the data's own range.
    var whole = try RangeObserver(.percentile(100))
    try whole.observe(x)
    #expect(try whole.range(for: symmetric) == -1000...1000)
    #expect(try whole.range(for: asymmetric) == -999...1000)
  }

  @Test("a stream of almost nothing but zeros keeps a range")
  func mostlyZero() throws {
    let batch = [Float](repeating: 0, count: 9999) + [2]
    #expect(try observed(.percentile(99.9), [batch]).upperBound == 2 / 2048)
  }
}
