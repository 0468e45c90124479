public import GyroModels
import GyroTensors

/// Gives a small model the outlier channels of large ones, without changing what it computes: a
/// model that rounding hurts and rotations help, for trying them out.
///
/// Gains are folded; the residual stream turns to the principal axes of what matrix products read
/// from it, value heads to theirs; and in every head and every feed-forward block about 2 % of the
/// channels are scaled up, what reads them divided: values and `o_proj`, rotary pairs of keys and
/// queries, up and down. The order of the channels is random, as it is in large models.
public struct OutlierTwin: Sendable, Equatable {
  /// How much the largest channel stands out over the median one, in root mean squares.
  public let strength: Double
  public let seed: UInt64
  /// The part of the channels that is scaled up; at least one of each head and block is.
  public let share: Double

  /// - Parameter strength: at least 1.
  public init(strength: Double = 20, seed: UInt64 = 0, share: Double = 0.02) {
    precondition(
      strength >= 1 && share > 0 && share <= 1,
      "OutlierTwin: strength \(strength) must be at least 1, share \(share) in 0 … 1")
    self.strength = strength
    self.seed = seed
    self.share = share
  }

  /// The twin of a model.
  ///
  /// The residual stream cannot be scaled without changing the model, only turned: when even its
  /// principal axes stand out less than `strength`, they stay as they are. The report says.
  ///
  /// - Parameter windows: text the axes are found on, a few thousand tokens, each window at most as
  ///   long as the context.
  /// - Returns: configuration and parameters of the twin (untied, gains folded), and what changed.
  /// - Throws: `RotationError`; `.departed` if the twin does not compute the same.
  public func applied(
    to configuration: LlamaConfiguration, _ parameters: ParameterStore,
    calibratingOn windows: [[Int32]]
  ) throws(RotationError) -> (
    configuration: LlamaConfiguration, parameters: ParameterStore, report: OutlierReport
  ) {
    try check(windows, configuration)
    let before = ActivationMoments.collected(configuration, parameters, over: windows).moments
    let (ready, prepared) = try RotationPreparation.prepared(configuration, parameters)
    let turns = try turns(ready, prepared, windows)
    let turned = try turns.merged(into: prepared, ready)
    let scalings = LlamaRotations(scalings: scalings(ready, turned, windows))
    let twin = try LlamaRotations.merged([turns, scalings], into: prepared, ready)
    let gate = EquivalenceGate(
      tokens: TokenWindow(windows[0], batch: 1, length: windows[0].count))
    let equivalence = try gate.check(
      EquivalenceGate.Subject(configuration, parameters),
      EquivalenceGate.Subject(ready, twin, rotations: [turns, scalings]), after: "outlier twin")
    let after = ActivationMoments.collected(ready, twin, over: windows).moments
    let report = OutlierReport(
      strength: strength, seed: seed, tokens: windows.reduce(0) { $0 + $1.count },
      entries: zip(before, after).map { before, after in
        OutlierReport.Entry(
          site: before.site.path, before: before.moments.shape, after: after.moments.shape)
      }, logits: equivalence.logits, rotations: [turns, scalings])
    return (ready, twin, report)
  }

  /// R1 and R2: to the principal axes.
  private func turns(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore, _ windows: [[Int32]]
  ) throws(RotationError) -> LlamaRotations {
    let (hidden, headSize) = (configuration.hidden, configuration.headSize)
    let normalized = LlamaFrames(configuration).normalizedSites
    let collected = ActivationMoments.collected(configuration, parameters, over: windows) { site in
      normalized.contains(site.path) ? hidden : site.kind == .values ? headSize : nil
    }
    var residual = Matrix64(rows: hidden, columns: hidden)
    var values: [Matrix64] = []
    for (site, moments) in collected.moments {
      guard let covariance = moments.covariance else { continue }
      if site.kind == .values {
        values.append(try turn(covariance, "values", values.count).matrix)
      } else {
        residual = residual + covariance
      }
    }
    return LlamaRotations(
      residual: try turn(residual, "residual", 0).matrix, values: values)
  }

  private func turn(
    _ covariance: Matrix64, _ name: String, _ layer: Int
  ) throws(RotationError) -> PartialTurn {
    var random = RandomStream(seed: seed).derived("outliers." + name, layer)
    do throws(LinearAlgebraError) {
      return try PartialTurn(covariance, peak: strength, &random)
    } catch {
      throw .calibration(
        problem: "the covariance of \(name) has no axes: \(error)",
        advice: "look at the model's activations for values that are not finite")
    }
  }

  /// Factors that lift some channels to `strength` times the median one.
  private func scalings(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore, _ windows: [[Int32]]
  ) -> LlamaScalings {
    let headSize = configuration.headSize, half = headSize / 2
    var (keys, values, feedForward): ([[Double]], [[Double]], [[Double]]) = ([], [], [])
    let collected = ActivationMoments.collected(configuration, parameters, over: windows)
    for (site, moments) in collected.moments {
      let squares = moments.roots.map { $0 * $0 }
      switch site.kind {
      case .keys:
        // A pair turns with the position: it stands out as a whole.
        var pairs: [Double] = []
        for head in stride(from: 0, to: squares.count, by: headSize) {
          for place in head..<head + half {
            pairs.append(((squares[place] + squares[place + half]) / 2).squareRoot())
          }
        }
        keys.append(
          configuration.queryKeyNorm
            ? factors(shared(pairs, half), units: 1, "keys", keys.count)
            : factors(pairs, units: configuration.keyValueHeads, "keys", keys.count))
      case .values:
        values.append(
          factors(moments.roots, units: configuration.keyValueHeads, "values", values.count))
      case .input where site.path == LlamaFrames.feedForwardSite(feedForward.count):
        feedForward.append(factors(moments.roots, units: 1, "feedForward", feedForward.count))
      default: continue
      }
    }
    return LlamaScalings(keys: keys, values: values, feedForward: feedForward)
  }

  /// Root mean squares over the heads of what all of them share.
  private func shared(_ roots: [Double], _ size: Int) -> [Double] {
    let heads = roots.count / size
    return (0..<size).map { place in
      let sum = (0..<heads).reduce(0) { $0 + roots[$1 * size + place] * roots[$1 * size + place] }
      return (sum / Double(heads)).squareRoot()
    }
  }

  /// In each of `units` equal parts, some channels chosen at random and lifted.
  private func factors(
    _ roots: [Double], units: Int, _ name: String, _ layer: Int
  ) -> [Double] {
    let size = roots.count / units
    let chosen = min(size, max(1, Int((share * Double(size)).rounded())))
    var random = RandomStream(seed: seed).derived("outliers." + name, layer)
    var result = [Double](repeating: 1, count: roots.count)
    for unit in 0..<units {
      let start = unit * size
      let median = ChannelMoments.median(Array(roots[start..<start + size]))
      for place in random.permutation(size).prefix(chosen) {
        let root = roots[start + place]
        if root > 0, median > 0 { result[start + place] = max(1, strength * median / root) }
      }
    }
    return result
  }

  private func check(
    _ windows: [[Int32]], _ configuration: LlamaConfiguration
  ) throws(RotationError) {
    guard let first = windows.first, !first.isEmpty else {
      throw .calibration(problem: "there are none", advice: "give a few thousand tokens of text")
    }
    for (index, window) in windows.enumerated() {
      guard window.count <= configuration.context, !window.isEmpty else {
        throw .calibration(
          problem: "window \(index) has \(window.count) tokens",
          advice: "use windows of 1 … \(configuration.context) tokens, the model's context")
      }
      if let token = window.first(where: { $0 < 0 || Int($0) >= configuration.vocabulary }) {
        throw .calibration(
          problem: "window \(index) holds token \(token)",
          advice: "use the model's own tokenizer, of \(configuration.vocabulary) tokens")
      }
    }
  }
}

extension ChannelMoments {
  var shape: OutlierReport.Shape { OutlierReport.Shape(peak: peak, kurtosis: kurtosis) }
}
