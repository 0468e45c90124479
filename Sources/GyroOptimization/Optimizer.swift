public import GyroModels
import GyroTensors

/// Moves parameters along their gradients, each by the rule of the first group that matches it.
///
/// ```
/// var optimizer = try Optimizer([("embed_tokens", SGD()), ("*", AdamW())], for: store)
/// try optimizer.step(&store, gradients, rate: schedule(step))
/// ```
/// An optimizer is a value: a copy is a snapshot. Its state is keyed by parameter path, and leaves
/// and comes back exactly through `archive`.
public struct Optimizer: Sendable, CustomStringConvertible {
  private var groups: [any RuleGroup]
  private let places: [ParameterPath: Int]
  /// The parameters that are moved, in order of declaration.
  public let parameters: [Parameter]
  /// The number of steps taken.
  public private(set) var stepCount = 0

  /// - Parameters:
  ///   - groups: tried in order; the first match wins.
  ///   - trainable: the parameters to be trained; the others need no group.
  /// - Throws: `PathError.unmatched` for a pattern that matches nothing, `OptimizerError` for a group
  ///   that earlier groups leave empty, a parameter without a group, or a bad rate factor.
  public init(
    groups: [ParameterGroup], for store: ParameterStore, trainable: PathPattern = "*"
  ) throws {
    let parameters = store.parameterPaths.filter(trainable.matches)
      .compactMap(store.parameter(at:))
    guard !parameters.isEmpty else { throw OptimizerError.empty }
    var places: [ParameterPath: Int] = [:]
    for (index, group) in groups.enumerated() {
      guard group.rateFactor >= 0, group.rateFactor.isFinite else {
        throw OptimizerError.rateFactor(group.pattern, group.rateFactor)
      }
      let matched = parameters.filter(group.matches)
      if matched.isEmpty {
        throw PathError.unmatched(group.pattern, among: parameters.map(\.path))
      }
      let fresh = matched.filter { places[$0.path] == nil }
      if fresh.isEmpty {
        throw OptimizerError.shadowed(
          group.pattern, by: groups[places[matched[0].path]!].pattern)
      }
      for parameter in fresh { places[parameter.path] = index }
    }
    let uncovered = parameters.map(\.path).filter { places[$0] == nil }
    guard uncovered.isEmpty else { throw OptimizerError.uncovered(uncovered) }
    self.groups = groups.map(\.atWork)
    self.places = places
    self.parameters = parameters
  }

  /// The short form: a pattern and a rule per group.
  public init(
    _ rules: [(PathPattern, any UpdateRule)], for store: ParameterStore,
    trainable: PathPattern = "*"
  ) throws {
    try self.init(
      groups: rules.map { ParameterGroup($0, $1) }, for: store, trainable: trainable)
  }

  /// One rule for everything, without weight decay where it would only distort
  /// (`ParameterGroup.standard`).
  public init(
    _ rule: any UpdateRule, for store: ParameterStore, trainable: PathPattern = "*"
  ) throws {
    try self.init(
      groups: ParameterGroup.standard(rule, for: store, matching: trainable), for: store,
      trainable: trainable)
  }

  /// Checks the gradients, clips them to a global norm, and moves the parameters.
  ///
  /// - Parameters:
  ///   - rate: the scheduled learning rate.
  ///   - clippingNorm: the most that the norm of all gradients together may be.
  ///   - gradientScale: a factor on all gradients, e.g. 1 / the number of accumulated batches.
  /// - Returns: the norm of the scaled gradients before clipping.
  /// - Throws: `NumericFault` when a gradient is not finite, `OptimizerError.uncovered` when one
  ///   belongs to no group; then nothing has moved.
  @discardableResult
  public mutating func step(
    _ store: inout ParameterStore, _ gradients: Gradients, rate: Double,
    clippingNorm: Double? = nil, gradientScale: Double = 1
  ) throws -> Double {
    let norm = try gradients.norm() * gradientScale
    let clipping = clippingNorm.map { clippingFactor(norm: norm, limit: $0) } ?? 1
    try apply(gradients, to: &store, rate: rate, gradientScale: gradientScale * clipping)
    return norm
  }

  /// Moves the parameters without looking at the gradients first.
  /// - Throws: `OptimizerError.uncovered` when a gradient belongs to no group.
  public mutating func apply(
    _ gradients: Gradients, to store: inout ParameterStore, rate: Double, gradientScale: Double = 1
  ) throws {
    let strangers = gradients.paths.filter { places[$0] == nil }
    guard strangers.isEmpty else { throw OptimizerError.uncovered(strangers) }
    for parameter in parameters {
      guard let gradient = gradients[parameter.path] else { continue }
      precondition(
        gradient.shape == parameter.shape,
        "Optimizer: the gradient of \(parameter.path) has shape \(gradient.shape), "
          + "the parameter \(parameter.shape)")
      store.update(parameter.path) { point in
        groups[places[parameter.path]!].update(
          &point, gradient: gradient, gradientScale: gradientScale, rate: rate, of: parameter)
      }
    }
    stepCount += 1
  }

  /// Every state the rules hold, by path, and the number of steps.
  public var archive: OptimizerArchive {
    var archive = OptimizerArchive(stepCount: stepCount)
    for parameter in parameters {
      archive.states[parameter.path] = groups[places[parameter.path]!].archive(of: parameter.path)
    }
    return archive
  }

  /// Puts back what `archive` took out; the groups must be the same.
  /// - Throws: `OptimizerError.archive` when a state fits no parameter; then nothing has changed.
  public mutating func restore(_ archive: OptimizerArchive) throws(OptimizerError) {
    var copy = self
    for index in copy.groups.indices { copy.groups[index].forgetAll() }
    let known = Dictionary(uniqueKeysWithValues: parameters.map { ($0.path, $0) })
    for (path, state) in archive.states {
      guard let parameter = known[path], let place = places[path] else {
        throw .archive(path, "it is not a trained parameter of this run")
      }
      try copy.groups[place].restore(state, of: parameter)
    }
    copy.stepCount = archive.stepCount
    self = copy
  }

  /// The groups and their rules: equal descriptions mean equal steps.
  public var description: String { groups.map(\.description).joined(separator: "; ") }
}

/// All of an optimizer's state in the form that checkpoints store.
public struct OptimizerArchive: Sendable {
  public var states: [ParameterPath: StateArchive]
  public var stepCount: Int

  public init(states: [ParameterPath: StateArchive] = [:], stepCount: Int = 0) {
    self.states = states
    self.stepCount = stepCount
  }
}
