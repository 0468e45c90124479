public import GyroAutodiff
public import GyroModels
public import GyroTensors

/// A scheme resolved against a model: for each weight and each activation site, what happens to it
/// and why. It attaches to a forward pass from outside; layers know nothing of it.
public struct QuantizationPlan: Instrumentation {
  /// What happens to one weight or site.
  public struct Decision: Sendable, Equatable {
    /// The weight's or site's path.
    public let path: ParameterPath
    /// Extents of a weight; nil for a site.
    public let shape: Shape?
    /// The rule applied, or nil when it stays float.
    public let rule: QuantizationScheme.Rule?
    /// Why it stays float; empty when it does not.
    public let reason: String
  }

  public let scheme: QuantizationScheme
  /// All decisions: weights first, then sites, in the model's order.
  public let decisions: [Decision]
  private let rules: [ParameterPath: QuantizationScheme.Rule]

  /// Resolves a scheme.
  /// - Throws: `QuantizationError` for an unknown format, an impossible granularity, or a pattern
  ///   that matches nothing.
  public init(
    _ scheme: QuantizationScheme, for parameters: ParameterStore
  ) throws(QuantizationError) {
    try scheme.validated()
    let weights = parameters.paths.compactMap { parameters.parameter(at: $0) }
      .filter { [.linear, .convolution, .embedding].contains($0.kind) }
    for pattern in scheme.keep
    where !weights.contains(where: { pattern.matches($0.path) })
      && !parameters.sites.contains(where: { pattern.matches($0.path) })
    {
      throw .unmatched(pattern)
    }
    var decisions = weights.map { Self.decide($0, scheme) }
    let quantized = decisions.filter { $0.rule != nil }.map(\.path)
    decisions += parameters.sites.map { Self.decide($0, scheme, quantized) }
    self.scheme = scheme
    self.decisions = decisions
    rules = Dictionary(
      uniqueKeysWithValues: decisions.compactMap { decision in
        decision.rule.map { (decision.path, $0) }
      })
  }

  private static func decide(_ weight: Parameter, _ scheme: QuantizationScheme) -> Decision {
    let reason: String
    if scheme.weights == nil {
      reason = "the scheme has no rule for weights"
    } else if weight.kind == .embedding {
      reason = "an embedding table, looked up rather than multiplied"
    } else if let pattern = scheme.keep.first(where: { $0.matches(weight.path) }) {
      reason = "kept by '\(pattern)'"
    } else {
      return Decision(path: weight.path, shape: weight.shape, rule: scheme.weights, reason: "")
    }
    return Decision(path: weight.path, shape: weight.shape, rule: nil, reason: reason)
  }

  /// A site is quantized when a quantized weight reads it: one inside the scope it belongs to.
  private static func decide(
    _ site: Site, _ scheme: QuantizationScheme, _ quantized: [ParameterPath]
  ) -> Decision {
    let scope =
      site.path.name.split(separator: ".").dropLast()
      .joined(separator: ".") + "."
    let reason: String
    if scheme.activations == nil {
      reason = "the scheme has no rule for activations"
    } else if let pattern = scheme.keep.first(where: { $0.matches(site.path) }) {
      reason = "kept by '\(pattern)'"
    } else if !quantized.contains(where: { $0.name.hasPrefix(scope) }) {
      reason = "no quantized weight reads it"
    } else {
      return Decision(path: site.path, shape: nil, rule: scheme.activations, reason: "")
    }
    return Decision(path: site.path, shape: nil, rule: nil, reason: reason)
  }

  // MARK: The seam

  public func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    guard let rule = rules[parameter.path], value.value.wholeGrid == nil else { return value }
    return quantize(
      value, rows: rule.granularity == .tensor ? 1 : value.shape[0], parameter.path, pass)
  }

  public func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard let rule = rules[site.path] else { return value }
    return quantize(
      value, rows: rule.granularity == .tensor ? 1 : value.shape.rows, site.path, pass)
  }

  private func quantize(
    _ value: Variable, rows: Int, _ path: ParameterPath, _ pass: ForwardPass
  ) -> Variable {
    do throws(NotFiniteRow) {
      return value.standingFor(try RowQuantizer.quantize(value.value, rows: rows))
    } catch {
      pass.note(NumericFault(path: path, what: "a value that is not finite, in row \(error.row),"))
      return value
    }
  }

  /// The parameters with every quantized weight on its grid: what ships.
  /// - Throws: `QuantizationError.notFinite` when a weight holds a NaN or an infinity.
  public func frozen(_ parameters: ParameterStore) throws(QuantizationError) -> ParameterStore {
    var result = parameters
    for decision in decisions {
      guard let rule = decision.rule, decision.shape != nil else { continue }
      let value = parameters[decision.path]
      guard value.wholeGrid == nil else { continue }
      do throws(NotFiniteRow) {
        result[decision.path] = try RowQuantizer.quantize(
          value, rows: rule.granularity == .tensor ? 1 : value.shape[0])
      } catch {
        throw .notFinite(decision.path, row: error.row)
      }
    }
    return result
  }
}
