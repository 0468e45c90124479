public import GyroModels

/// The state of one quantized weight at one step.
public struct WeightHealth: Sendable, Equatable {
  public var path: ParameterPath
  /// The share of elements beyond the outermost value by more than half a step: those that are
  /// clipped, not merely rounded.
  public var clippedShare = 0.0
  /// The share of the format's values that no element has.
  public var deadCodeShare = 0.0
  /// The share of elements whose code changed since the last sample.
  public var flipShare = 0.0
  /// The share of elements with an oscillation frequency above the limit.
  public var oscillatingShare = 0.0
  /// The mean oscillation frequency: the running mean of changes against the last change.
  public var oscillationFrequency = 0.0
  /// The mean of `|s / s₀ − 1|`, s₀ the scale of the first sample.
  public var scaleDrift = 0.0
  /// The number of scales that are not positive numbers, and of all scales.
  public var badScales = 0, scales = 0
  /// `(‖∂L/∂s‖ / ‖s‖) / (‖∂L/∂w‖ / ‖w‖)`, which LSQ brings near 1 (1902.08153 §2.2); nil for a scale
  /// that is not learned.
  public var gradientRatio: Double?
  /// The number of elements for each value of the format.
  public var elementsPerCode = 0.0

  public init(path: ParameterPath) { self.path = path }

  /// What a line of the metrics file says.
  var figures: [(name: String, value: Double)] {
    [
      ("clipped", clippedShare), ("dead_codes", deadCodeShare), ("flips", flipShare),
      ("oscillating", oscillatingShare), ("oscillation_frequency", oscillationFrequency),
      ("scale_drift", scaleDrift), ("bad_scales", Double(badScales)),
    ] + (gradientRatio.map { [("gradient_ratio", $0)] } ?? [])
  }
}

/// The figures above which a weight gets advice.
public struct HealthLimits: Sendable, Equatable {
  /// Of `WeightHealth.clippedShare`.
  public var clipped = 0.05
  /// Of `WeightHealth.deadCodeShare`, where there are at least 8 elements for each code.
  public var deadCodes = 0.5
  /// The frequency above which an element oscillates, and the share of those.
  public var frequency = 0.1, oscillating = 0.1
  /// Of `WeightHealth.scaleDrift`.
  public var scaleDrift = 1.0
  /// Of `WeightHealth.gradientRatio`, and the inverse of the least.
  public var gradientRatio = 100.0

  public init() {}
}

/// What to try about a weight, in one line.
public struct HealthAdvice: Sendable, Equatable, CustomStringConvertible {
  /// What is wrong. Each weight hears of each only once.
  public enum Ailment: String, Sendable, CaseIterable {
    case clipping, deadCodes, oscillation, scaleDrift, scaleGradient, badScale
  }

  public let step: Int
  public let path: ParameterPath
  public let ailment: Ailment
  /// What, where, the figure, and what to try.
  public let description: String
}

extension WeightHealth {
  /// All advice for this state.
  func advice(_ limits: HealthLimits, step: Int) -> [HealthAdvice] {
    var found: [HealthAdvice] = []
    func say(_ ailment: HealthAdvice.Ailment, _ text: String) {
      found.append(
        HealthAdvice(step: step, path: path, ailment: ailment, description: "\(path): " + text))
    }
    if clippedShare > limits.clipped {
      say(
        .clipping,
        "\(percent(clippedShare)) of its elements are clipped (limit \(percent(limits.clipped))); "
          + "give it a wider range, a scale per channel, or let its scale learn faster")
    }
    if deadCodeShare > limits.deadCodes, elementsPerCode >= 8 {
      say(
        .deadCodes,
        "\(percent(deadCodeShare)) of its codes are never used (limit "
          + "\(percent(limits.deadCodes))); its range is too wide: clip it by mean-square error, "
          + "use a scale per channel, or spend fewer bits")
    }
    if oscillatingShare > limits.oscillating {
      say(
        .oscillation,
        "\(percent(oscillatingShare)) of its elements swing between two codes (limit "
          + "\(percent(limits.oscillating))); try oscillation dampening or freezing, or let the "
          + "learning rate end lower")
    }
    if scaleDrift > limits.scaleDrift {
      say(
        .scaleDrift,
        "its scale has moved by \(percent(scaleDrift)) since the first sample (limit "
          + "\(percent(limits.scaleDrift))); lower the learning rate of scales, or freeze them "
          + "once they settle")
    }
    if let ratio = gradientRatio, ratio > limits.gradientRatio {
      say(
        .scaleGradient,
        "relative to their sizes, its scale's gradient is \(rounded(ratio)) times its weights' "
          + "(limit \(rounded(limits.gradientRatio))); scale it by 1/sqrt(N Q) as LSQ does, or "
          + "lower the learning rate of scales")
    } else if let ratio = gradientRatio, ratio > 0, ratio < 1 / limits.gradientRatio {
      say(
        .scaleGradient,
        "relative to their sizes, its weights' gradient is \(rounded(1 / ratio)) times its "
          + "scale's (limit \(rounded(limits.gradientRatio))); raise the learning rate of scales")
    }
    if badScales > 0 {
      say(
        .badScale,
        "\(badScales) of its \(scales) scales are not positive numbers; lower the learning rate "
          + "of scales, or start them from the range of the weights")
    }
    return found
  }

  private func percent(_ share: Double) -> String { rounded(100 * share) + " %" }

  private func rounded(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    if value >= 10 { return "\(Int(min(value, 1e15).rounded()))" }
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)"
  }
}
