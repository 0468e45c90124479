/// Where a scheme puts SpinQuant's rotations (2405.16406 §3), so that what is quantized has no
/// outliers. R1 and R2 merge into weights and cost nothing at run time; R3 and R4 are Hadamard
/// transforms that run online.
public struct RotationRule: Hashable, Sendable, Codable {
  /// The four places of 2405.16406, figure 1.
  public enum Placement: String, Hashable, Sendable, Codable, CaseIterable {
    /// R1: the residual stream, one rotation for the whole model.
    case residual = "r1"
    /// R2: values, on their way from `v_proj` to `o_proj`; one rotation per layer, for all its heads.
    case values = "r2"
    /// R3: queries and keys after the rotary embedding; online.
    case keys = "r3"
    /// R4: the input of `down_proj`; online, and undone in its weight.
    case feedForward = "r4"
  }

  public var placements: Set<Placement>
  /// Seed of random signs in front of the online Hadamards; nil for plain ones.
  public var signSeed: UInt64?
  /// R4 as blocks of this size; nil for one transform over the whole width.
  public var blockSize: Int?

  public init(_ placements: Set<Placement>, signSeed: UInt64? = nil, blockSize: Int? = nil) {
    self.placements = placements
    self.signSeed = signSeed
    self.blockSize = blockSize
  }

  /// Placements in their own order, so that equal rules are equal text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(placements.sorted { $0.rawValue < $1.rawValue }, forKey: .placements)
    try container.encodeIfPresent(signSeed, forKey: .signSeed)
    try container.encodeIfPresent(blockSize, forKey: .blockSize)
  }

  private enum CodingKeys: CodingKey { case placements, signSeed, blockSize }

  /// Whether anything has to run online.
  public var isOnline: Bool { placements.contains(.keys) || placements.contains(.feedForward) }

  /// For reports, e.g. `r1, r2, r4 in blocks of 64`.
  public var summary: String {
    var text = placements.map(\.rawValue).sorted().joined(separator: ", ")
    if let blockSize { text += " in blocks of \(blockSize)" }
    if let signSeed { text += " with signs of seed \(signSeed)" }
    return text
  }
}
