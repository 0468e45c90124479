import GyroModels

/// Places where one tensor can be multiplied channel by channel and another divided, without a change
/// of what the network computes (OSTQuant, 2501.13987 §3.2). All of them merge into weights.
public enum ScalingPair: String, Sendable, Hashable, Codable, CaseIterable, CustomStringConvertible
{
  /// The normalized input of attention (the norm's gain) and the columns of q, k and v.
  case attentionInputs = "attention-inputs"
  /// The normalized input of the feed-forward block and the columns of gate and up.
  case feedForwardInputs = "feed-forward-inputs"
  /// Keys and the queries that meet them, one factor per rotary pair.
  case keys
  /// Values and the columns of `o_proj`, in front of R2.
  case values
  /// The output of up and the columns of down, in front of R4.
  case feedForward = "feed-forward"

  /// For messages.
  public var description: String {
    switch self {
    case .attentionInputs: "scaling of attention inputs"
    case .feedForwardInputs: "scaling of feed-forward inputs"
    case .keys: "scaling of keys"
    case .values: "scaling of values"
    case .feedForward: "scaling of up and down"
    }
  }

  /// How many factors a layer has.
  func count(in configuration: LlamaConfiguration) -> Int {
    switch self {
    case .attentionInputs, .feedForwardInputs: configuration.hidden
    case .keys:
      (configuration.queryKeyNorm ? 1 : configuration.keyValueHeads) * (configuration.headSize / 2)
    case .values: configuration.keyValueHeads * configuration.headSize
    case .feedForward: configuration.feedForward
    }
  }
}

extension LlamaScalings {
  /// The factors of a pair, by layer; nil for ones.
  public subscript(pair: ScalingPair) -> [[Double]]? {
    get { self[keyPath: Self.path(of: pair)] }
    set { self[keyPath: Self.path(of: pair)] = newValue }
  }

  private static func path(
    of pair: ScalingPair
  ) -> WritableKeyPath<LlamaScalings, [[Double]]?> {
    switch pair {
    case .attentionInputs: \.attentionInputs
    case .feedForwardInputs: \.feedForwardInputs
    case .keys: \.keys
    case .values: \.values
    case .feedForward: \.feedForward
    }
  }

  /// The pairs whose factors are not all left at one.
  public var pairs: Set<ScalingPair> { Set(ScalingPair.allCases.filter { self[$0] != nil }) }
}
