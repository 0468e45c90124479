/// What a run is going to do and what it will take, found out before any work.
public struct RunEstimate: Sendable, Encodable {
  /// One stage, or what has to be done before the first.
  public struct Stage: Sendable, Encodable {
    /// `sample`, `read`, or the stage's kind in the recipe.
    public let kind: String
    public let label: String
    /// How much there is to do, e.g. `200 steps of 1024 tokens`.
    public let work: String
    public let seconds: Double
    /// Checkpoints and exports it leaves.
    public let diskBytes: Int

    enum CodingKeys: String, CodingKey {
      case kind, label, work, seconds
      case diskBytes = "disk_bytes"
    }
  }

  /// A part of the memory in use when most is.
  public struct MemoryPart: Sendable, Encodable {
    public let name: String
    public let bytes: Int
  }

  public let name: String
  /// Trained elements of the model.
  public let parameters: Int
  /// The scheme in words; nil for a float experiment.
  public let scheme: String?
  public let layers: LayerTable
  public let stages: [Stage]
  /// All stages together.
  public let seconds: Double
  public let diskBytes: Int
  /// Most memory in use at once, and what it consists of.
  public let peakBytes: Int
  public let memory: [MemoryPart]
  /// The stage with the most memory.
  public let peakStage: String
  /// What the figures rest on, a sentence each.
  public let assumptions: [String]

  enum CodingKeys: String, CodingKey {
    case name, parameters, scheme, layers, stages, seconds, memory, assumptions
    case diskBytes = "disk_bytes"
    case peakBytes = "peak_bytes"
    case peakStage = "peak_stage"
  }
}
