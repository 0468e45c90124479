/// How one class of tensors is quantized: number format, scaling, range and gradient.
public struct QuantizationRule: Hashable, Sendable, Codable {
  /// A number format (`int4`, `e4m3`, …) or a block format that brings its own scaling (`mxfp4`,
  /// `nvfp4`, …).
  public var format: String
  public var granularity: Granularity
  /// What scales are rounded to.
  public var scale: ScaleFormat
  /// Whether zero lies in the middle of the range; otherwise whole numbers have a zero point.
  public var isSymmetric: Bool
  /// How the range is found.
  public var range: RangeMethod
  /// Whether the range follows the tensor as it changes: that of a weight at every step, that of an
  /// activation for every batch. Otherwise it is found once and kept, or learned.
  public var isDynamic: Bool
  /// How gradients pass, and what is learned: a name of `GradientEstimators`.
  public var estimator: String

  /// - Parameters:
  ///   - granularity: needed unless a block format brings it; `channel` when nil.
  ///   - isDynamic: when nil, whether the range is the data's own and nothing is learned.
  public init(
    format: String, granularity: Granularity? = nil, scale: ScaleFormat? = nil,
    isSymmetric: Bool = true, range: RangeMethod = .minMax, isDynamic: Bool? = nil,
    estimator: String = "straight-through"
  ) {
    let block = BlockFormat.named(format)
    self.format = format
    self.granularity = granularity ?? block?.granularity ?? .channel
    self.scale = scale ?? block?.scale ?? .float32
    self.isSymmetric = isSymmetric
    self.range = range
    self.estimator = estimator
    self.isDynamic =
      isDynamic
      ?? (range == .minMax
        && ["straight-through", "stochastic", "clip"].contains(Self.name(of: estimator)))
  }

  /// Estimators that need no state, so that their ranges may follow the data.
  static let dynamicEstimators: Set<String> = [
    "straight-through", "stochastic", "clipped", "ewgs", "sigmoid", "clip",
  ]

  /// An estimator's name without options.
  private static func name(of estimator: String) -> String {
    String(estimator.prefix { $0 != "(" })
  }

  /// The name of the format of single elements.
  public var element: String { BlockFormat.named(format)?.element ?? format }

  /// Whether every weight has levels of its own, whatever the format's name.
  package var learnsLevels: Bool {
    ["ttq", "flexible-float"].contains(Self.name(of: estimator))
  }

  /// The estimator this rule names.
  func gradientEstimator(
    for name: String, role: EstimatorRole
  ) throws(QuantizationError) -> any GradientEstimator {
    try GradientEstimators.named(estimator, role: role, for: name)
  }

  /// Everything, in a form that differs when anything differs.
  var canonical: String {
    [
      format, granularity.description, scale.rawValue, isSymmetric ? "symmetric" : "asymmetric",
      range.description, isDynamic ? "dynamic" : "static", estimator,
    ].joined(separator: "/")
  }

  /// For reports, e.g. `int4 per group-32, learned by lsq`.
  public var summary: String {
    let block = BlockFormat.named(format)
    var text = format
    if block == nil { text += " per \(granularity)" }
    if block == nil, scale != .float32 { text += " with \(scale.rawValue) scales" }
    if !isSymmetric { text += " asymmetric" }
    if range != .minMax { text += " (\(range))" }
    if !isDynamic, range == .minMax, Self.dynamicEstimators.contains(estimator) {
      text += " static"
    }
    if estimator != "straight-through" { text += " by \(estimator)" }
    return text
  }

  /// The quantizer this rule describes.
  /// - Parameters:
  ///   - name: what the rule is called in messages.
  ///   - allowed: the granularities that are possible there.
  /// - Throws: `QuantizationError` for a format or combination that does not exist.
  func quantizer(
    for name: String, allowed: Set<GranularityKind>
  ) throws(QuantizationError) -> Quantizer {
    guard let format = FormatNames.format(element) else {
      throw .unknownFormat(self.format, for: name)
    }
    if let block = BlockFormat.named(self.format),
      granularity != block.granularity || scale != block.scale || !isSymmetric
    {
      throw .blockFormat(self.format, for: name, granularity: block.granularity, scale: block.scale)
    }
    guard allowed.contains(granularity.kind) else {
      throw .granularity(
        granularity, for: name,
        allowed: Granularity.forms.filter { form in
          Granularity(form).map { allowed.contains($0.kind) } ?? false
        })
    }
    return try Quantizer(format, granularity, scaleFormat: scale, isSymmetric: isSymmetric)
  }
}

/// Formats of whole blocks, named by their standards: an element, a group and a scale.
public struct BlockFormat: Sendable {
  public let name: String
  public let element: String
  public let granularity: Granularity
  public let scale: ScaleFormat

  /// OCP Microscaling 1.0 and NVFP4.
  public static let all = [
    BlockFormat(name: "mxfp8", element: "e4m3", granularity: .group(32), scale: .e8m0),
    BlockFormat(name: "mxfp8-e5m2", element: "e5m2", granularity: .group(32), scale: .e8m0),
    BlockFormat(name: "mxfp6-e2m3", element: "e2m3", granularity: .group(32), scale: .e8m0),
    BlockFormat(name: "mxfp6-e3m2", element: "e3m2", granularity: .group(32), scale: .e8m0),
    BlockFormat(name: "mxfp4", element: "e2m1", granularity: .group(32), scale: .e8m0),
    BlockFormat(name: "mxint8", element: "int8", granularity: .group(32), scale: .e8m0),
    BlockFormat(name: "nvfp4", element: "e2m1", granularity: .group(16), scale: .e4m3),
  ]

  /// The block format of a name; nil when there is none.
  public static func named(_ name: String) -> BlockFormat? { all.first { $0.name == name } }
}

/// A granularity without its sizes.
enum GranularityKind: Hashable, Sendable {
  case tensor, channel, token, group, head, block

  static let ofWeights: Set<GranularityKind> = [.tensor, .channel, .group, .block]
  static let ofActivations: Set<GranularityKind> = [.tensor, .token, .group, .head]
}

extension Granularity {
  var kind: GranularityKind {
    switch self {
    case .tensor: .tensor
    case .channel: .channel
    case .token: .token
    case .group: .group
    case .head: .head
    case .block: .block
    }
  }
}
