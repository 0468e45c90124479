import GyroModels
import GyroTensors

/// Finds the rule of every weight and site of a model, or the reason why it has none.
struct PlanResolution {
  let scheme: QuantizationScheme
  let weights: [Parameter]
  let sites: [Site]
  let biases: [Parameter]
  let fusions: [[ParameterPath]]

  init(_ scheme: QuantizationScheme, _ parameters: ParameterStore) {
    self.scheme = scheme
    let all = parameters.paths.compactMap { parameters.parameter(at: $0) }
    weights = all.filter { [.linear, .convolution, .embedding].contains($0.kind) }
    biases = all.filter { $0.kind == .bias }
    sites = parameters.sites
    fusions = parameters.fusions
  }

  /// Decisions in the model's order, weights first, and what to do at each quantized path.
  func decide() throws(QuantizationError) -> (
    decisions: [QuantizationPlan.Decision], places: [ParameterPath: QuantizationPlan.Place]
  ) {
    try checkPatterns()
    for (name, rule) in scheme.rules {
      let isActivation = name.hasSuffix("activations") || name.hasPrefix("cache.")
      _ = try resolved(rule, name, isActivation: isActivation)
    }
    var decisions: [QuantizationPlan.Decision] = []
    var places: [ParameterPath: QuantizationPlan.Place] = [:]
    for weight in weights {
      let choice = try rule(for: weight)
      decisions.append(decision(weight.path, weight.shape, choice))
      if case .success(let (name, rule)) = choice {
        places[weight.path] = try place(weight.path, rule, name, shape: weight.shape)
      }
    }
    let quantized = decisions.filter { $0.rule != nil }.map(\.path)
    for bias in biases {
      let reason = "a bias, added to the product in Float32"
      decisions.append(decision(bias.path, bias.shape, .failure(Reason(reason))))
    }
    for site in sites {
      let choice = try rule(for: site, quantized)
      decisions.append(decision(site.path, nil, choice))
      if case .success(let (name, rule)) = choice {
        places[site.path] = try place(site.path, rule, name)
      }
    }
    places.share(fusions)
    return (decisions, places)
  }

  /// Why something stays float.
  private struct Reason: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }
  private typealias Choice = Result<(name: String, rule: QuantizationRule), Reason>

  private func decision(
    _ path: ParameterPath, _ shape: Shape?, _ choice: Choice
  ) -> QuantizationPlan.Decision {
    switch choice {
    case .success(let (_, rule)): .init(path: path, shape: shape, rule: rule, reason: "")
    case .failure(let reason): .init(path: path, shape: shape, rule: nil, reason: reason.text)
    }
  }

  private func place(
    _ path: ParameterPath, _ rule: QuantizationRule, _ name: String, shape: Shape? = nil
  ) throws(QuantizationError) -> QuantizationPlan.Place {
    let (quantizer, estimator) = try resolved(rule, name, isActivation: shape == nil)
    if let shape { _ = try quantizer.layout(of: shape, named: path) }
    return QuantizationPlan.Place(
      path: path, rule: rule, quantizer: quantizer, estimator: estimator)
  }

  private func resolved(
    _ rule: QuantizationRule, _ name: String, isActivation: Bool
  ) throws(QuantizationError) -> (Quantizer, any GradientEstimator) {
    let quantizer = try rule.quantizer(
      for: name,
      allowed: isActivation ? GranularityKind.ofActivations : GranularityKind.ofWeights)
    let estimator = try rule.gradientEstimator(
      for: name, role: isActivation ? .activation : .weight)
    let isUnsigned = quantizer.isSymmetric && !quantizer.format.isSigned
    if isUnsigned, !isActivation { throw .unsigned(name, format: quantizer.format.name) }
    if rule.isDynamic, !QuantizationRule.dynamicEstimators.contains(estimator.name) {
      throw .dynamic(name, what: "'\(estimator.name)' keeps its range")
    }
    if rule.isDynamic, rule.range != .minMax {
      throw .dynamic(name, what: "'\(rule.range)' is found once")
    }
    let hasState = !rule.isDynamic && !estimator.stateNames(quantizer).isEmpty
    if isActivation, hasState, quantizer.granularity != .tensor {
      throw .granularity(
        quantizer.granularity, for: "\(name), whose range is found once",
        allowed: ["tensor, or a dynamic range"])
    }
    return (quantizer, estimator)
  }

  // MARK: Patterns

  private func checkPatterns() throws(QuantizationError) {
    func matches(_ pattern: PathPattern) -> Bool {
      weights.contains { pattern.matches($0.path) } || sites.contains { pattern.matches($0.path) }
    }
    for pattern in scheme.keep where !matches(pattern) { throw .unmatched(pattern, in: "keep") }
    for (index, exception) in scheme.exceptions.enumerated() {
      let place = "rules[\(index)].match"
      guard matches(exception.pattern) else { throw .unmatched(exception.pattern, in: place) }
      let covers =
        exception.weights != nil && weights.contains { exception.pattern.matches($0.path) }
        || exception.activations != nil && sites.contains { exception.pattern.matches($0.path) }
      guard covers else { throw .unmatched(exception.pattern, in: place) }
    }
  }

  private func exception(
    at path: ParameterPath, _ part: KeyPath<QuantizationScheme.Exception, QuantizationRule?>,
    _ name: String
  ) throws(QuantizationError) -> (name: String, rule: QuantizationRule)? {
    let found = scheme.exceptions.enumerated().filter {
      $1[keyPath: part] != nil && $1.pattern.matches(path)
    }
    if found.count > 1 {
      throw .conflict(path, found[0].element.pattern, found[1].element.pattern)
    }
    return found.first.flatMap { index, exception in
      exception[keyPath: part].map { ("rules[\(index)].\(name)", $0) }
    }
  }

  // MARK: Weights

  private func rule(for weight: Parameter) throws(QuantizationError) -> Choice {
    if let pattern = scheme.keep.first(where: { $0.matches(weight.path) }) {
      return .failure(Reason("kept by '\(pattern)'"))
    }
    if let exception = try exception(at: weight.path, \.weights, "weights") {
      return .success(exception)
    }
    if weight.kind == .embedding {
      return scheme.embeddings.map { .success(("embeddings", $0)) }
        ?? .failure(Reason("an embedding table, looked up rather than multiplied"))
    }
    return scheme.weights.map { .success(("weights", $0)) }
      ?? .failure(Reason("the scheme has no rule for weights"))
  }

  // MARK: Sites

  private func rule(
    for site: Site, _ quantized: [ParameterPath]
  ) throws(QuantizationError) -> Choice {
    if let pattern = scheme.keep.first(where: { $0.matches(site.path) }) {
      return .failure(Reason("kept by '\(pattern)'"))
    }
    if let exception = try exception(at: site.path, \.activations, "activations") {
      return .success(exception)
    }
    switch site.kind {
    case .keys: return cached(scheme.keys, "cache.keys")
    case .values: return cached(scheme.values, "cache.values")
    default: break
    }
    guard let rule = scheme.activations else {
      return .failure(Reason("the scheme has no rule for activations"))
    }
    guard scheme.sites.contains(site.kind) else {
      return .failure(Reason("'\(site.kind.rawValue)' is not among the scheme's sites"))
    }
    if site.kind == .input, !isRead(site, by: quantized) {
      return .failure(Reason("no quantized weight reads it"))
    }
    return .success(("activations", rule))
  }

  private func cached(_ rule: QuantizationRule?, _ name: String) -> Choice {
    rule.map { .success((name, $0)) } ?? .failure(Reason("the scheme has no rule for \(name)"))
  }

  /// A weight reads the inputs of the scopes around it. A tied output projection has no weight of its
  /// own; its input is read by the embedding table.
  private func isRead(_ site: Site, by quantized: [ParameterPath]) -> Bool {
    let scope = site.path.name.split(separator: ".").dropLast().joined(separator: ".") + "."
    if quantized.contains(where: { $0.name.hasPrefix(scope) }) { return true }
    let isTiedHead =
      scope == "lm_head." && !weights.contains { $0.path.name.hasPrefix("lm_head.") }
    return isTiedHead && quantized.contains { $0.name.hasSuffix("embed_tokens.weight") }
  }
}
