import Foundation
import GyroQuantization
import GyroTensors

/// Distributions for tests of ranges, as histograms of exact counts and as stratified samples.
enum KnownData {
  /// `⌊10⁹ (F(eᵢ₊₁) − F(eᵢ)) + ½⌋` over 2048 bins of `0 … limit`.
  static func histogram(limit: Double, _ distribution: (Double) -> Double) -> RangeHistogram {
    let edges = (0...2048).map { distribution(Double($0) * limit / 2048) }
    let counts = zip(edges, edges.dropFirst()).map { Int((1e9 * ($1 - $0) + 0.5).rounded(.down)) }
    return RangeHistogram(width: Float(limit / 2048), positive: counts)
  }

  static let halfNormal = histogram(limit: 6) { erf($0 / 2.0.squareRoot()) }
  static let exponential = histogram(limit: 18) { 1 - exp(-$0) }
  /// A half-normal with one value in 10⁴ between 10 and 12.
  static let outliers = histogram(limit: 12) {
    0.9999 * erf($0 / 2.0.squareRoot()) + 1e-4 * min(max(($0 - 10) / 2, 0), 1)
  }

  /// `⌊10¹⁵ (F(eᵢ₊₁) − F(eᵢ)) + ½⌋` on both sides of zero, from the tail's share `1 − F(|x|)` of a
  /// symmetric distribution: fine enough to stand for the density.
  static func fine(
    limit: Double, bins: Int, isOneSided: Bool = false, _ tail: (Double) -> Double
  ) -> RangeHistogram {
    let edges = (0...bins).map { tail(Double($0) * limit / Double(bins)) }
    let counts = zip(edges, edges.dropFirst()).map { Int((1e15 * ($0 - $1) + 0.5).rounded(.down)) }
    return RangeHistogram(
      width: Float(limit / Double(bins)), positive: counts, negative: isOneSided ? nil : counts)
  }

  static func normalTail(_ x: Double) -> Double { erfc(x / 2.0.squareRoot()) / 2 }
  static func laplaceTail(_ x: Double) -> Double { exp(-x) / 2 }

  static let fineNormal = fine(limit: 8, bins: 1 << 17, normalTail)
  static let fineLaplace = fine(limit: 30, bins: 1 << 17, laplaceTail)

  /// The quantiles of the middles of `count` equal shares.
  static func stratified(_ count: Int, _ quantile: (Double) -> Double) -> Tensor {
    Tensor(
      [count], elements: (0..<count).map { Float(quantile((Double($0) + 0.5) / Double(count))) })
  }

  static func laplaceQuantile(_ p: Double) -> Double {
    p < 0.5 ? log(2 * p) : -log(2 * (1 - p))
  }

  static func exponentialQuantile(_ p: Double) -> Double { -log(1 - p) }

  /// Newton's method on the error function, from a start that converges for every share.
  static func normalQuantile(_ p: Double) -> Double {
    if p > 0.5 { return -normalQuantile(1 - p) }
    var (low, high) = (-40.0, 0.0)
    for _ in 0..<80 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  static let normal = stratified(200_000, normalQuantile)
  static let laplace = stratified(200_000, laplaceQuantile)
}

extension RangeObserver {
  /// An observer that has seen what a histogram shows.
  init(_ method: RangeMethod, seen histogram: RangeHistogram) throws {
    var archive = try RangeObserver(method).archive
    for (key, tensor) in histogram.archive { archive["histogram." + key] = tensor }
    archive["count"] = Tensor([1, 3], elements: [1, 0, 0])
    archive["extremes"] = Tensor([2], elements: [0, histogram.edge(histogram.bins)])
    self = try RangeObserver(archive: archive)
  }
}

extension Quantizer {
  /// One scale for a tensor.
  static func tensor(_ format: any NumberFormat, isSymmetric: Bool = true) throws -> Quantizer {
    try Quantizer(format, .tensor, isSymmetric: isSymmetric)
  }
}

extension RangeHistogram {
  /// The signal-to-quantization-noise ratio in dB of the middles of all bins.
  func decibel(_ quantizer: Quantizer, _ range: ClosedRange<Float>) -> Double {
    let centers = (0..<bins).map(center)
    let values = centers + centers.map { -$0 }
    let weights = (positive + negative).map(Double.init)
    let power = zip(values, weights).reduce(0) { $0 + Double($1.0 * $1.0) * $1.1 }
    return 10 * log10(power / plainError(values, weights: weights, quantizer, range))
  }
}

/// `Σ |x̄ − x|^power` by the definition, one element at a time in double precision.
func plainError(
  _ x: [Float], weights: [Double]? = nil, _ quantizer: Quantizer, _ range: ClosedRange<Float>,
  power: Double = 2
) -> Double {
  let scales = quantizer.scales(ranges: [range])
  let scale = scales.scales.elements[0]
  let zero = scales.zeroPoints?.elements[0]
  let top = Float((1 << quantizer.format.bits) - 1)
  return x.indices.reduce(0) { sum, place in
    let value = x[place]
    let quotient = value / scale
    let code: Float
    if let zero {
      code = min(max(quotient.rounded(.toNearestOrEven) + zero, 0), top) - zero
    } else {
      code = quantizer.format.project(quotient)
    }
    return sum + (weights?[place] ?? 1) * pow(abs(Double(code * scale - value)), power)
  }
}
