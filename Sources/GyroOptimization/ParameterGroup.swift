public import GyroModels

/// Which parameters follow which rule.
public struct ParameterGroup: Sendable {
  /// Paths that belong to the group, unless an earlier group has them.
  public var pattern: PathPattern
  /// Kinds that belong to the group; every kind when nil.
  public var kinds: Set<Parameter.Kind>?
  public var rule: any UpdateRule
  /// The group's rate is the scheduled rate times this.
  public var rateFactor: Double

  public init(
    _ pattern: PathPattern, kinds: Set<Parameter.Kind>? = nil, _ rule: any UpdateRule,
    rateFactor: Double = 1
  ) {
    self.pattern = pattern
    self.kinds = kinds
    self.rule = rule
    self.rateFactor = rateFactor
  }

  /// Whether the group would take the parameter.
  public func matches(_ parameter: Parameter) -> Bool {
    parameter.kind != .buffer && pattern.matches(parameter.path)
      && (kinds?.contains(parameter.kind) ?? true)
  }

  /// Kinds that weight decay would only distort: a gain, an offset or a quantizer's scale has no
  /// reason to be near zero.
  public static let undecayedKinds: Set<Parameter.Kind> = [.normalization, .bias, .quantizer]

  /// The usual grouping: `rule` for everything that matches, but without weight decay for
  /// normalizations, biases and quantizer parameters. Groups without a member are left out.
  public static func standard(
    _ rule: any UpdateRule, for store: ParameterStore, matching pattern: PathPattern = "*",
    rateFactor: Double = 1
  ) -> [ParameterGroup] {
    let groups = [
      ParameterGroup(
        pattern, kinds: undecayedKinds, rule.withoutWeightDecay as any UpdateRule,
        rateFactor: rateFactor),
      ParameterGroup(pattern, rule, rateFactor: rateFactor),
    ]
    var parameters = store.parameterPaths.compactMap(store.parameter(at:))
    return groups.filter { group in
      let before = parameters.count
      parameters.removeAll(where: group.matches)
      return parameters.count < before
    }
  }
}
