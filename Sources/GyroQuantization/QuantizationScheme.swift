public import GyroModels

/// What is quantized and how: one value drives calibration, training, evaluation and export, and its
/// fingerprint goes into every checkpoint.
public struct QuantizationScheme: Hashable, Sendable, Codable {
  /// Weights of linear layers and convolutions; nil leaves them float.
  public var weights: QuantizationRule?
  /// Activations at the sites of `sites`; nil leaves them float.
  public var activations: QuantizationRule?
  /// Embedding tables; nil leaves them float. A tied output projection shares the table's rule.
  public var embeddings: QuantizationRule?
  /// Keys and values of attention, as a cache would hold them; nil leaves them float.
  public var keys: QuantizationRule?, values: QuantizationRule?
  /// Which activations the rule for activations covers; inputs of matrix products by default.
  public var sites: Set<Site.Kind>
  /// Other rules for parts of the model. Two that match the same tensor are an error.
  public var exceptions: [Exception]
  /// What stays float although a rule covers it.
  public var keep: [PathPattern]
  /// Where the model is rotated before it is quantized; nil for nowhere.
  public var rotations: RotationRule?

  /// A rule for the part of a model that a pattern names.
  public struct Exception: Hashable, Sendable, Codable {
    public var pattern: PathPattern
    /// For weights and tables there; nil leaves the general rule.
    public var weights: QuantizationRule?
    /// For activations there; nil leaves the general rule.
    public var activations: QuantizationRule?

    public init(
      _ pattern: PathPattern, weights: QuantizationRule? = nil,
      activations: QuantizationRule? = nil
    ) {
      self.pattern = pattern
      self.weights = weights
      self.activations = activations
    }
  }

  public init(
    weights: QuantizationRule? = nil, activations: QuantizationRule? = nil,
    embeddings: QuantizationRule? = nil, keys: QuantizationRule? = nil,
    values: QuantizationRule? = nil, sites: Set<Site.Kind> = [.input],
    exceptions: [Exception] = [], keep: [PathPattern] = [], rotations: RotationRule? = nil
  ) {
    self.weights = weights
    self.activations = activations
    self.embeddings = embeddings
    self.keys = keys
    self.values = values
    self.sites = sites
    self.exceptions = exceptions
    self.keep = keep
    self.rotations = rotations
  }

  /// Sites in the order of their names, so that equal schemes are equal text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(weights, forKey: .weights)
    try container.encodeIfPresent(activations, forKey: .activations)
    try container.encodeIfPresent(embeddings, forKey: .embeddings)
    try container.encodeIfPresent(keys, forKey: .keys)
    try container.encodeIfPresent(values, forKey: .values)
    try container.encode(sites.sorted { $0.rawValue < $1.rawValue }, forKey: .sites)
    try container.encode(exceptions, forKey: .exceptions)
    try container.encode(keep, forKey: .keep)
    try container.encodeIfPresent(rotations, forKey: .rotations)
  }

  private enum CodingKeys: CodingKey {
    case weights, activations, embeddings, keys, values, sites, exceptions, keep, rotations
  }

  /// INT8 weights per output channel, INT8 activations per token: what integer runtimes compute.
  public static let int8 = QuantizationScheme(
    weights: QuantizationRule(format: "int8", granularity: .channel),
    activations: QuantizationRule(format: "int8", granularity: .token))

  /// All rules with the names they go by in messages.
  var rules: [(name: String, rule: QuantizationRule)] {
    let named = [
      ("weights", weights), ("activations", activations), ("embeddings", embeddings),
      ("cache.keys", keys), ("cache.values", values),
    ]
    let exceptional = exceptions.enumerated().flatMap { index, exception in
      [
        ("rules[\(index)].weights", exception.weights),
        ("rules[\(index)].activations", exception.activations),
      ]
    }
    return (named + exceptional).compactMap { name, rule in rule.map { (name, $0) } }
  }

  /// Sixteen hexadecimal digits that differ when any rule differs.
  public var fingerprint: String {
    var text = rules.map { "\($0.name)=\($0.rule.canonical);" }.joined()
    text += sites.map(\.rawValue).sorted().joined(separator: ",") + ";"
    text += exceptions.map(\.pattern.pattern).joined(separator: ",") + ";"
    text += keep.map(\.pattern).sorted().joined(separator: ",")
    if let rotations { text += ";rotations=" + rotations.summary }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// One line for reports, e.g. `weights int8 per channel, activations int8 per token`.
  public var summary: String {
    var parts = [
      "weights " + (weights?.summary ?? "float"),
      "activations " + (activations?.summary ?? "float"),
    ]
    if let embeddings { parts.append("embeddings " + embeddings.summary) }
    if let keys { parts.append("keys " + keys.summary) }
    if let values { parts.append("values " + values.summary) }
    for exception in exceptions {
      let rules = [
        exception.weights.map { "weights " + $0.summary },
        exception.activations.map { "activations " + $0.summary },
      ]
      parts.append(
        "\(exception.pattern): " + rules.compactMap { $0 }.joined(separator: " and "))
    }
    if let rotations { parts.append("rotations " + rotations.summary) }
    if !keep.isEmpty { parts.append("keeping " + keep.map(\.pattern).joined(separator: ", ")) }
    return parts.joined(separator: ", ")
  }
}
