/// Which elements share one scale.
public enum Granularity: String, Hashable, Sendable, Codable, CaseIterable {
  /// All of a tensor.
  case tensor
  /// One output channel of a weight: a row of `[out, …]`.
  case channel
  /// One token of an activation: a row of `[…, features]`.
  case token
}
