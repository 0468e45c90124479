/// What simulated quantization does at one step of a run. A plan reads it; a milestone schedule
/// works it out from the step alone, so a resumed run needs no state for it.
public struct QuantizationPhase: Sendable, Hashable {
  /// Whether observers take ranges in.
  public var observes: Bool
  /// Whether weights are rounded.
  public var quantizesWeights: Bool
  /// Whether activations are rounded.
  public var quantizesActivations: Bool
  /// Whether batch normalization uses, and keeps, its running statistics.
  public var freezesBatchNorm: Bool
  /// Whether scales stay as they are: neither ranged anew nor learned.
  public var freezesScales: Bool
  /// The width of weights, 2…8; nil for that of their own rule.
  public var bits: Int?
  /// The share of the distillation loss, 0…1; the rest is the task's own loss.
  public var distillation: Double

  public init(
    observes: Bool = false, quantizesWeights: Bool = false, quantizesActivations: Bool = false,
    freezesBatchNorm: Bool = false, freezesScales: Bool = false, bits: Int? = nil,
    distillation: Double = 0
  ) {
    self.observes = observes
    self.quantizesWeights = quantizesWeights
    self.quantizesActivations = quantizesActivations
    self.freezesBatchNorm = freezesBatchNorm
    self.freezesScales = freezesScales
    self.bits = bits
    self.distillation = distillation
  }

  /// Nothing is rounded, and nothing observed: where a schedule starts.
  public static let float = QuantizationPhase()

  /// Everything is rounded and ranged: what a run without milestones does at every step.
  public static let quantized = QuantizationPhase(
    observes: true, quantizesWeights: true, quantizesActivations: true)
}
