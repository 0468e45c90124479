import GyroModels
import GyroQuantization

/// What the configuration says of a rule for activations, or for keys and values; and what becomes of
/// a rule it has no words for.
struct CompressedActivations {
  /// nil where the runtime keeps them in float.
  let arguments: CompressedArguments?
  let fidelity: Fidelity

  private init(_ arguments: CompressedArguments?, _ fidelity: Fidelity) {
    self.arguments = arguments
    self.fidelity = fidelity
  }

  private static func float(_ reason: String) -> CompressedActivations {
    CompressedActivations(nil, .leftToRuntime(reason))
  }

  /// Estimators whose values are plain rounding under scales, and so are all a runtime does.
  private static let rounding: Set<String> = [
    "straight-through", "stochastic", "clipped", "ewgs", "sigmoid", "lsq", "lsq+", "pact", "tqt",
    "learned-range",
  ]

  init(_ rule: QuantizationRule, at site: Site) {
    switch site.kind {
    case .input: self = Self.input(rule)
    case .keys, .values: self = Self.cached(rule, headSize: site.headSize)
    default:
      self = .float("compressed-tensors has no place for \(site.kind.rawValue); they stay float")
    }
  }

  // MARK: Inputs

  private static func input(_ rule: QuantizationRule) -> CompressedActivations {
    let strategy: CompressedArguments.Strategy
    switch rule.granularity {
    case .token: strategy = .token
    case .tensor: strategy = .tensor
    case .group(let size), .head(let size): strategy = .group(size)
    default: return .float("activations have no \(rule.granularity)")
    }
    return described(rule, strategy)
  }

  private static func described(
    _ rule: QuantizationRule, _ strategy: CompressedArguments.Strategy
  ) -> CompressedActivations {
    let estimator = String(rule.estimator.prefix { $0 != "(" })
    guard rounding.contains(estimator) else {
      return .float("the file cannot say what '\(estimator)' does to activations; they stay float")
    }
    guard let format = FormatNames.format(rule.element) else {
      return .float("activations stay float")
    }
    if let integers = format as? IntegerFormat { return whole(integers, rule, strategy) }
    guard let float = format as? Minifloat else {
      return .float("no runtime quantizes activations to \(format.name); they stay float")
    }
    return floats(float, rule, strategy)
  }

  private static func whole(
    _ format: IntegerFormat, _ rule: QuantizationRule, _ strategy: CompressedArguments.Strategy
  ) -> CompressedActivations {
    // Values that are never negative have their zero at the lowest code.
    let isSymmetric = rule.isSymmetric && format.isSigned
    var arguments = CompressedArguments(
      bits: format.bits, element: .int, isSymmetric: isSymmetric, strategy: strategy,
      range: rule.isDynamic ? .dynamic : .fixed)
    guard rule.isDynamic else {
      guard !format.isRestricted else {
        return .float("runtimes use the lowest code too; they stay float. Use \(full(format))")
      }
      arguments.strategy = .tensor
      return CompressedActivations(arguments, .exact)
    }
    guard rule.scale == .float32 else { return .float(Self.narrowScale(rule)) }
    guard isSymmetric else { return CompressedActivations(arguments, .exact) }
    let trained = number(format.span)
    let other = format.isHalfRange ? number(format.largest) : number(format.largest + 0.5)
    return CompressedActivations(
      arguments,
      .leftToRuntime(
        format.isHalfRange
          ? "transformers divides the largest magnitude by \(trained), as trained; kernels of vLLM "
            + "by \(other)"
          : "kernels of vLLM divide the largest magnitude by \(trained), as trained; transformers "
            + "by \(other), as \(full(format))-half-range does"))
  }

  private static func floats(
    _ format: Minifloat, _ rule: QuantizationRule, _ strategy: CompressedArguments.Strategy
  ) -> CompressedActivations {
    if rule.isDynamic, rule.scale == .e8m0, strategy == .group(32),
      [.e4m3, .e2m3, .e2m1].contains(format)
    {
      return CompressedActivations(
        CompressedArguments(
          bits: format.bits, element: .float, strategy: strategy, range: .dynamic,
          scaleType: CompressedArguments.exponentBytes),
        .leftToRuntime(
          "compressed-tensors takes the next power of two for a block whose largest value is "
            + "\(format == .e2m3 ? "1.9375" : "1.75") times one or more, training the one below"))
    }
    guard format == .e4m3 else {
      return .float(
        rule.format == "nvfp4"
          ? "runtimes quantize activations to NVFP4 under one scale found by calibration; they stay "
            + "float"
          : "no runtime quantizes activations to \(format.name); they stay float")
    }
    guard !rule.isDynamic || rule.scale == .float32 else { return .float(narrowScale(rule)) }
    return CompressedActivations(
      CompressedArguments(
        bits: 8, element: .float, strategy: rule.isDynamic ? strategy : .tensor,
        range: rule.isDynamic ? .dynamic : .fixed),
      .exact)
  }

  private static func narrowScale(_ rule: QuantizationRule) -> String {
    "runtimes scale activations in float32, not \(rule.scale.rawValue); they stay float"
  }

  private static func full(_ format: IntegerFormat) -> String { "int\(format.bits)" }

  private static func number(_ value: Float) -> String {
    value == value.rounded() ? "\(Int(value))" : "\(value)"
  }

  // MARK: Keys and values

  /// The cache's scheme is one for keys and values, a scale for each layer or for groups of a head.
  private static func cached(
    _ rule: QuantizationRule, headSize: Int?
  ) -> CompressedActivations {
    let strategy: CompressedArguments.Strategy
    switch rule.granularity {
    case .tensor: strategy = .tensor
    case .head(let size), .group(let size):
      guard let headSize, headSize.isMultiple(of: size) else {
        return .float("groups of \(size) do not divide a head; keys and values stay float")
      }
      strategy = .group(size)
    default:
      return .float("compressed-tensors has no caches per \(rule.granularity); they stay float")
    }
    let described = described(rule, strategy)
    guard let arguments = described.arguments, rule.isDynamic else { return described }
    if case .leftToRuntime = described.fidelity { return described }
    return CompressedActivations(
      arguments, .leftToRuntime("transformers simulates it; vLLM's cache is FP8 per tensor"))
  }
}
