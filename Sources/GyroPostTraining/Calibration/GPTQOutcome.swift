public import GyroModels

/// A model whose weights were rounded, and what it cost.
public struct GPTQOutcome: Sendable {
  /// The parameters with the rounded weights on their grids: what `QuantizationPlan.frozen` and
  /// exporters leave as they are.
  public let parameters: ParameterStore
  /// One for each weight, in the order in which they were rounded.
  public let layers: [Layer]

  /// What became of one weight.
  public struct Layer: Sendable, Hashable, Codable {
    public let path: ParameterPath
    /// Extents of the weight.
    public let shape: [Int]
    /// How it is quantized, e.g. `int3 per group-128`.
    public let rule: String
    /// Rows of calibration inputs.
    public let samples: Int
    /// The share of the Hessian's mean diagonal that was added to it.
    public let damping: Double
    /// `Σ (w − q)² / (2 U_ii²)`.
    public let loss: Double
    /// `‖X (Ŵ − W)ᵀ‖² / ‖X Wᵀ‖²` over the calibration inputs; W is the corrected weight where inputs
    /// are corrected.
    public let error: Double
    /// The same for plain rounding under the plan's scales.
    public let roundingError: Double

    /// How much less than plain rounding's the error is; below 0 when it is more.
    public var gain: Double { roundingError > 0 ? 1 - error / roundingError : 0 }
  }
}
