/// Places where one tensor can be multiplied channel by channel and another divided, without a change
/// of what the network computes (OSTQuant, 2501.13987 §3.2). All of them merge into weights.
public enum ScalingPair: String, Sendable, Hashable, Codable, CaseIterable {
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
}
