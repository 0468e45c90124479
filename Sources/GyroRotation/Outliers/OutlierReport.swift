public import GyroModels

/// What the outlier twin did to a model's activations.
public struct OutlierReport: Sendable, Equatable, CustomStringConvertible {
  /// The activations of one site, over all calibration tokens.
  public struct Shape: Sendable, Equatable, Codable {
    /// The root mean square of the largest channel over that of the median channel.
    public let peak: Double
    /// Of all elements; 3 for normal numbers.
    public let kurtosis: Double
  }

  public struct Entry: Sendable, Equatable {
    public let site: ParameterPath
    public let before: Shape
    public let after: Shape
  }

  public let strength: Double
  public let seed: UInt64
  public let tokens: Int
  /// Inputs of matrix products, keys and values, in the order of computation.
  public let entries: [Entry]
  /// The largest difference of two logits of the model and its twin.
  public let logits: Double
  /// What was merged into the prepared model, first to last.
  public let rotations: [LlamaRotations]

  public var description: String {
    func row(_ name: String, _ before: String, _ after: String) -> String {
      name + String(repeating: " ", count: max(1, 40 - name.count)) + before
        + String(repeating: " ", count: max(1, 20 - before.count)) + after
    }
    func text(_ shape: Shape) -> String { "\(short(shape.peak)) / \(short(shape.kurtosis))" }
    return
      ([
        "outlier twin (strength \(short(strength)), seed \(seed)): computes what the model computes "
          + "(logits differ by \(Float(logits)) at most), with the outlier channels of large models",
        row("largest over median channel / kurtosis", "model", "twin"),
      ] + entries.map { row($0.site.name, text($0.before), text($0.after)) })
      .joined(separator: "\n")
  }

  private func short(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    return value >= 100 ? "\(Int(value.rounded()))" : "\((value * 10).rounded() / 10)"
  }
}
