public import GyroManifolds
public import GyroTensors

/// The rotations of SpinQuant (2405.16406, §3) for a Llama, and the scaling pairs beside them
/// (OSTQuant, 2501.13987). In exact arithmetic they leave what a model computes unchanged.
///
/// Vectors are rows, `y = x · Wᵀ`: a rotation `R` takes an activation `x` to `x · R`.
public struct LlamaRotations: Sendable, Equatable {
  /// R1 `[hidden, hidden]`: every vector `h` of the residual stream becomes `h · R1`. Merged.
  public var residual: Matrix64?
  /// R2, per layer `[headSize, headSize]`, shared by all heads: `v · R2`. Merged.
  public var values: [Matrix64]?
  /// R3 `[headSize]`: applied while the model runs to queries and keys, after the rotary embedding.
  /// Nothing of it is merged.
  public var keys: HadamardTransform?
  /// R4 `[feedForward]`: applied while the model runs to the input of `down_proj`. Merging it turns
  /// the weight of `down_proj`, which undoes it.
  public var feedForward: HadamardTransform?
  /// Factors that one side of a pair is multiplied by and the other divided. Merged.
  public var scalings: LlamaScalings?

  public init(
    residual: Matrix64? = nil, values: [Matrix64]? = nil, keys: HadamardTransform? = nil,
    feedForward: HadamardTransform? = nil, scalings: LlamaScalings? = nil
  ) {
    self.residual = residual
    self.values = values
    self.keys = keys
    self.feedForward = feedForward
    self.scalings = scalings
  }

  /// Whether a model needs transforms while it runs: R3 or R4.
  public var isOnline: Bool { keys != nil || feedForward != nil }
}

/// Positive factors, one array per layer; one side of a pair is multiplied and the other divided.
/// nil stands for ones everywhere.
public struct LlamaScalings: Sendable, Equatable {
  /// `[layers][hidden]`: the input of q, k and v is `norm(h · R1) · s` (the gain of the norm
  /// takes s), their columns are divided.
  public var attentionInputs: [[Double]]?
  /// `[layers][hidden]`: the same for gate and up.
  public var feedForwardInputs: [[Double]]?
  /// `[layers][keyValueHeads · headSize / 2]`, one per rotary pair `(i, i + headSize / 2)`: keys are
  /// multiplied, the queries that meet them divided. With norms of queries and keys
  /// `[layers][headSize / 2]`, shared by the heads, into the gains.
  public var keys: [[Double]]?
  /// `[layers][keyValueHeads · headSize]`: values are multiplied, before R2; the columns of `o_proj`
  /// divided.
  public var values: [[Double]]?
  /// `[layers][feedForward]`: the rows of `up_proj` are multiplied; the columns of `down_proj`
  /// divided, before R4.
  public var feedForward: [[Double]]?

  public init(
    attentionInputs: [[Double]]? = nil, feedForwardInputs: [[Double]]? = nil,
    keys: [[Double]]? = nil, values: [[Double]]? = nil, feedForward: [[Double]]? = nil
  ) {
    self.attentionInputs = attentionInputs
    self.feedForwardInputs = feedForwardInputs
    self.keys = keys
    self.values = values
    self.feedForward = feedForward
  }
}
