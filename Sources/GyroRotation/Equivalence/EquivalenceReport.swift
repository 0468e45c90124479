public import GyroModels

/// How far two models that should compute the same are apart, site by site.
public struct EquivalenceReport: Sendable, Equatable, CustomStringConvertible {
  /// One activation site, in the order of computation.
  public struct Entry: Sendable, Equatable {
    public let site: ParameterPath
    /// The largest difference of two elements, after rotations and factors are undone.
    public let difference: Double
    /// The largest magnitude in the reference.
    public let magnitude: Double
    /// What difference is let pass.
    public let allowed: Double

    public var departs: Bool { !(difference <= allowed) }
  }

  /// What was done to the second model, for messages.
  public let transform: String
  public let entries: [Entry]
  /// The first site where the second model gave NaN or infinity.
  public let firstNotFinite: ParameterPath?

  /// The first site that departs.
  public var firstDeparting: Entry? { entries.first { $0.departs } }

  /// The largest difference of two logits.
  public var logits: Double {
    entries.last { $0.site == "lm_head.output" }?.difference ?? .nan
  }

  /// Whether no site departs and all values are finite.
  public var isEquivalent: Bool { firstDeparting == nil && firstNotFinite == nil }

  public var description: String {
    var lines = ["\(transform): logits differ by \(short(logits))"]
    if let firstNotFinite { lines.append("not finite from \(firstNotFinite) on") }
    lines += entries.map { entry in
      "\(entry.departs ? "✗" : "✓") \(entry.site): \(short(entry.difference)) of "
        + "\(short(entry.magnitude))"
    }
    return lines.joined(separator: "\n")
  }

  private func short(_ value: Double) -> String { "\(Float(value))" }
}
