import Glibc
import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import Synchronization

/// Looks at the activations that a scheme quantizes while the float model runs: how heavy their
/// tails are, and how much of them the quantizer keeps. Nothing is changed.
final class ActivationQuality: Instrumentation {
  /// The activations of one site.
  struct Entry {
    let site: ParameterPath
    /// The fourth central moment over the square of the second: 3 for normal values.
    let kurtosis: Double
    /// Signal power over the power of the quantizer's error, in dB; nil where nothing is quantized.
    let decibels: Double?
    /// The first tokens, in rows of `channels`.
    let sample: [Float]
    let channels: Int
  }

  typealias Report = [Entry]

  /// Tokens of a sample.
  private static let tokens = 64

  private let plan: QuantizationPlan?
  private let online: any Instrumentation
  private let kept = Mutex<Report>([])

  /// - Parameters:
  ///   - plan: whose quantizers are tried; nil looks at the inputs of matrix products, keys and values.
  ///   - online: what runs in front of the quantizers.
  init(_ plan: QuantizationPlan?, online: any Instrumentation) {
    self.plan = plan
    self.online = online
  }

  func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let value = online.activation(value, at: site, pass)
    guard plan.map({ $0.quantizer(at: site.path) != nil }) ?? Self.interesting.contains(site.kind)
    else { return value }
    let x = value.value.contiguous()
    let decibels = plan.map { plan in
      let quantized = plan.quantized(Variable(constant: x), at: site, pass).value
      return Self.decibels(x.sumOfSquares(), quantized.sumOfSquaredDifferences(from: x))
    }
    let entry = Entry(
      site: site.path, kurtosis: Self.kurtosis(x), decibels: decibels,
      sample: Array(x.elements.prefix(Self.tokens * x.shape.columns)), channels: x.shape.columns)
    kept.withLock { $0.append(entry) }
    return value
  }

  func wants(_ site: Site) -> Bool { plan?.wants(site) ?? false }

  /// In the order of passage.
  var report: Report { kept.withLock { $0 } }

  private static let interesting: Set<Site.Kind> = [.input, .keys, .values]

  private static func decibels(_ signal: Double, _ noise: Double) -> Double {
    // What is kept exactly gets a figure that can be averaged and drawn.
    guard signal > 0 else { return 0 }
    return min(10 * log10(signal / max(noise, .leastNormalMagnitude)), 150)
  }

  private static func kurtosis(_ x: Tensor) -> Double {
    let count = Double(max(x.count, 1))
    let centered = x - Float(x.preciseSum() / count)
    let squares = centered.squared()
    let variance = centered.sumOfSquares()
    return variance > 0 ? count * squares.sumOfSquares() / (variance * variance) : 0
  }
}

extension ActivationQuality.Report {
  /// The mean of the sites' decibels; nil when nothing is quantized.
  var meanDecibels: Double? {
    let all = compactMap(\.decibels)
    return all.isEmpty ? nil : all.reduce(0, +) / Double(all.count)
  }

  var meanKurtosis: Double? {
    isEmpty ? nil : reduce(0) { $0 + $1.kurtosis } / Double(count)
  }

  /// Means beside those of another report of the same sites.
  func figures(after: ActivationQuality.Report) -> [String: Double] {
    var figures: [String: Double] = [:]
    figures["mean_sqnr_before"] = meanDecibels
    figures["mean_sqnr_after"] = after.meanDecibels
    figures["least_sqnr_before"] = compactMap(\.decibels).min()
    figures["least_sqnr_after"] = after.compactMap(\.decibels).min()
    figures["mean_kurtosis_before"] = meanKurtosis
    figures["mean_kurtosis_after"] = after.meanKurtosis
    return figures
  }
}
