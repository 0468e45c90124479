public import GyroManifolds
public import GyroModels
public import GyroQuantization

/// One thing a scheme asks of a file format.
public enum ExportDemand: Sendable {
  /// A weight or table under a rule; nil for one that stays float.
  case weight(Parameter, QuantizationRule?)
  /// An activation, key or value (`site.kind`) under a rule.
  case activation(Site, QuantizationRule)
  /// A transform that runs online; its inverse is merged into a weight, or cancels (R3 on queries
  /// and keys).
  case transform(Site, HadamardTransform)

  /// The weight's or site's path.
  public var path: ParameterPath {
    switch self {
    case .weight(let parameter, _): parameter.path
    case .activation(let site, _), .transform(let site, _): site.path
    }
  }

  /// For tables and messages, e.g. `int4 per group-32`.
  public var summary: String {
    switch self {
    case .weight(_, let rule): rule?.summary ?? "float"
    case .activation(_, let rule): rule.summary
    case .transform(_, let transform): "online \(transform)"
    }
  }
}

extension ExportDemand {
  /// Everything a plan asks for, weights first; every weight stays float without a plan.
  static func all(
    of parameters: ParameterStore, under plan: QuantizationPlan?
  ) -> [ExportDemand] {
    guard let plan else {
      return parameters.paths.compactMap { parameters.parameter(at: $0) }.filter(\.isMatrix)
        .map { .weight($0, nil) }
    }
    var demands: [ExportDemand] = []
    let sites = Dictionary(parameters.sites.map { ($0.path, $0) }) { first, _ in first }
    for decision in plan.decisions {
      if let parameter = parameters.parameter(at: decision.path) {
        if parameter.isMatrix { demands.append(.weight(parameter, decision.rule)) }
      } else if let site = sites[decision.path], let rule = decision.rule {
        demands.append(.activation(site, rule))
      }
    }
    for site in parameters.sites {
      if let transform = plan.online.transforms[site.path] {
        demands.append(.transform(site, transform))
      }
    }
    return demands
  }
}

extension Parameter {
  /// Whether quantizers of weights or tables may apply.
  var isMatrix: Bool { [.linear, .convolution, .embedding].contains(kind) }
}
