public import GyroModels

/// What is quantized and how: one value drives rounding, training, evaluation and export, and its
/// fingerprint goes into every checkpoint.
public struct QuantizationScheme: Hashable, Sendable, Codable {
  /// Format and granularity of one class of tensors.
  public struct Rule: Hashable, Sendable, Codable {
    /// A format's name, e.g. `int8`.
    public var format: String
    public var granularity: Granularity

    public init(format: String, granularity: Granularity) {
      self.format = format
      self.granularity = granularity
    }
  }

  /// Weights of linear layers and convolutions; nil leaves them float.
  public var weights: Rule?
  /// Inputs of matrix products and convolutions, ranged anew for every batch; nil leaves them float.
  public var activations: Rule?
  /// What stays float although a rule covers it.
  public var keep: [PathPattern]

  public init(weights: Rule?, activations: Rule?, keep: [PathPattern] = []) {
    self.weights = weights
    self.activations = activations
    self.keep = keep
  }

  /// INT8 weights per output channel, INT8 activations per token: what integer runtimes compute.
  public static let int8 = QuantizationScheme(
    weights: Rule(format: "int8", granularity: .channel),
    activations: Rule(format: "int8", granularity: .token))

  /// Sixteen hexadecimal digits that differ when any rule differs.
  public var fingerprint: String {
    var text = ""
    for rule in [weights, activations] {
      text += rule.map { "\($0.format)/\($0.granularity.rawValue);" } ?? "float;"
    }
    text += keep.map(\.pattern).sorted().joined(separator: ",")
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// One line for reports, e.g. `weights int8 per channel, activations int8 per token`.
  public var summary: String {
    func text(_ name: String, _ rule: Rule?) -> String {
      rule.map { "\(name) \($0.format) per \($0.granularity.rawValue)" } ?? "\(name) float"
    }
    let kept = keep.isEmpty ? "" : ", keeping " + keep.map(\.pattern).joined(separator: ", ")
    return text("weights", weights) + ", " + text("activations", activations) + kept
  }

  func validated() throws(QuantizationError) {
    if let weights { try Self.check(weights, "weights", [.channel, .tensor]) }
    if let activations { try Self.check(activations, "activations", [.token, .tensor]) }
  }

  private static func check(
    _ rule: Rule, _ name: String, _ allowed: [Granularity]
  ) throws(QuantizationError) {
    guard rule.format == SignedInteger.int8.name else {
      throw .unknownFormat(rule.format, for: name, known: [SignedInteger.int8.name])
    }
    guard allowed.contains(rule.granularity) else {
      throw .granularity(rule.granularity, for: name, allowed: allowed)
    }
  }
}

/// What is wrong with a scheme, alone or against a model.
public enum QuantizationError: Error, Sendable, Equatable, CustomStringConvertible {
  case unknownFormat(String, for: String, known: [String])
  case granularity(Granularity, for: String, allowed: [Granularity])
  case unmatched(PathPattern)
  case notFinite(ParameterPath, row: Int)
  case fingerprint(expected: String, got: String)

  public var description: String {
    switch self {
    case .unknownFormat(let format, let name, let known):
      return
        "\(name): unknown number format '\(format)'; known are \(known.joined(separator: ", "))"
    case .granularity(let granularity, let name, let allowed):
      let names = allowed.map(\.rawValue).joined(separator: " or ")
      return "\(name): granularity '\(granularity.rawValue)' is not possible here; use \(names)"
    case .unmatched(let pattern):
      return "keep: the pattern '\(pattern)' matches no weight and no activation site; "
        + "a name matches whole path components, * matches any run of characters"
    case .notFinite(let path, let row):
      return "\(path) holds a value that is not finite in row \(row); it cannot be quantized"
    case .fingerprint(let expected, let got):
      return "the checkpoint was made under scheme \(got), the run uses \(expected); "
        + "train and export under one scheme"
    }
  }
}
