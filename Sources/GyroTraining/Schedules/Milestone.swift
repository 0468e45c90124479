import GyroQuantization

/// A step, and what changes when it begins.
public struct Milestone: Sendable, Hashable {
  /// One switch that is turned.
  public enum Change: Sendable, Hashable {
    case observers(Bool)
    case weights(Bool)
    case activations(Bool)
    /// Batch normalization keeps its running statistics, and normalizes by them.
    case batchNormFrozen(Bool)
    case scalesFrozen(Bool)
    /// The width of weights.
    case bits(Int)
    /// The share of the distillation loss.
    case distillation(Double)
  }

  /// The first step it holds for, counted from 0.
  public let step: Int
  public let changes: [Change]

  public init(at step: Int, _ changes: Change...) { self.init(at: step, changes) }

  public init(at step: Int, _ changes: [Change]) {
    self.step = step
    self.changes = changes
  }
}

extension Milestone.Change: CustomStringConvertible {
  public var description: String {
    switch self {
    case .observers(let on): "observers \(on ? "on" : "off")"
    case .weights(let on): "weights \(on ? "on" : "off")"
    case .activations(let on): "activations \(on ? "on" : "off")"
    case .batchNormFrozen(let on): "batch norm \(on ? "frozen" : "live")"
    case .scalesFrozen(let on): "scales \(on ? "frozen" : "live")"
    case .bits(let bits): "\(bits) bits"
    case .distillation(let share): "distillation \(share)"
    }
  }

  /// Whether two changes turn the same switch.
  func concerns(_ other: Self) -> Bool {
    switch (self, other) {
    case (.observers, .observers), (.weights, .weights), (.activations, .activations),
      (.batchNormFrozen, .batchNormFrozen), (.scalesFrozen, .scalesFrozen), (.bits, .bits),
      (.distillation, .distillation):
      true
    default: false
    }
  }

  func apply(to phase: inout QuantizationPhase) {
    switch self {
    case .observers(let on): phase.observes = on
    case .weights(let on): phase.quantizesWeights = on
    case .activations(let on): phase.quantizesActivations = on
    case .batchNormFrozen(let on): phase.freezesBatchNorm = on
    case .scalesFrozen(let on): phase.freezesScales = on
    case .bits(let bits): phase.bits = bits
    case .distillation(let share): phase.distillation = share
    }
  }
}
