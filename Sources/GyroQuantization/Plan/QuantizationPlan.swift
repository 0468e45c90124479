public import GyroAutodiff
public import GyroModels
import GyroTensors

/// A scheme resolved against a model: for each weight and each activation site, what happens to it
/// and why. It attaches to a forward pass from outside; layers know nothing of it.
///
/// A plan is a pure function of scheme and model. What it learns or observes — scales, ranges — lives
/// in the parameter store beside the weights (`….weight_scale`, `….input_scale`), so a checkpoint
/// carries it and a copy of the store is a copy of everything.
public struct QuantizationPlan: Instrumentation {
  /// What to do at one path.
  package struct Place: Sendable {
    package let path: ParameterPath
    package let rule: QuantizationRule
    package internal(set) var quantizer: Quantizer
    package let estimator: any GradientEstimator
    /// The weights that share one scale of the tensor, this one among them; empty where it is alone.
    var fused: [ParameterPath] = []

    /// Where a state of the estimator lives.
    func path(of state: String) -> ParameterPath { path(of: state, at: path) }

    /// Where the same state of another weight lives.
    func path(of state: String, at path: ParameterPath) -> ParameterPath {
      ParameterPath("\(path.name)_\(state)")
    }

    /// What lives in the store for this place; nothing where the range follows the data alone.
    package var stateNames: [String] {
      rule.isDynamic && !estimator.followsData ? [] : estimator.stateNames(quantizer)
    }
  }

  public let scheme: QuantizationScheme
  /// All decisions: weights first, then biases, then sites, in the model's order.
  public let decisions: [Decision]
  package let places: [ParameterPath: Place]
  /// The places in the model's order.
  let order: [ParameterPath]
  /// The quantized weights.
  let weightPaths: Set<ParameterPath>
  /// The transforms that run online, with quantization or without.
  public let online: OnlineTransforms
  /// What is switched on at a step; everything, always, when nil.
  public var milestones: (@Sendable (_ step: Int) -> QuantizationPhase)?

  /// Resolves a scheme.
  /// - Throws: `QuantizationError` for an unknown format, an impossible granularity, a group that
  ///   does not divide, a pattern that matches nothing, or rules that conflict.
  public init(
    _ scheme: QuantizationScheme, for parameters: ParameterStore
  ) throws(QuantizationError) {
    self.scheme = scheme
    online = try OnlineTransforms(scheme.rotations, for: parameters)
    (decisions, places) = try PlanResolution(scheme, parameters).decide()
    weightPaths = Set(decisions.filter { $0.rule != nil && $0.shape != nil }.map(\.path))
    order = decisions.filter { $0.rule != nil }.map(\.path)
  }

  /// The part of a plan that concerns one part of the model, e.g. a block: the same quantizers there,
  /// nothing elsewhere. What it is handed may lack the rest of the model.
  public func inside(_ scope: ParameterPath) -> QuantizationPlan {
    QuantizationPlan(self) { $0.isInside(scope) }
  }

  private init(_ whole: QuantizationPlan, where isKept: (ParameterPath) -> Bool) {
    scheme = whole.scheme
    online = whole.online
    milestones = whole.milestones
    decisions = whole.decisions.filter { isKept($0.path) }
    places = whole.places.filter { isKept($0.key) }
    order = whole.order.filter(isKept)
    weightPaths = whole.weightPaths.filter(isKept)
  }

  // MARK: The seam

  public func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    guard let place = places[parameter.path], value.value.encoded == nil else { return value }
    let phase = phase(pass)
    guard phase.quantizesWeights, let now = self.place(place, in: phase) else { return value }
    let shared = sharing(now) { $0 == place.path ? value.value : pass.value(at: $0) }
    return quantize(value, shared, pass)
  }

  public func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    quantized(online.activation(value, at: site, pass), at: site, pass)
  }

  /// An activation that the online transforms have already been applied to, quantized.
  public func quantized(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard let place = places[site.path] else { return value }
    let phase = phase(pass)
    if pass.mode.isTraining, phase.observes { observe(value.value, place, pass) }
    guard phase.quantizesActivations else { return value }
    return quantize(value, place, pass)
  }

  public func wants(_ site: Site) -> Bool { places[site.path] != nil }

  public func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment {
    phase(pass).freezesBatchNorm ? .frozen : .live
  }

  func phase(_ pass: ForwardPass) -> QuantizationPhase {
    guard case .training(let step) = pass.mode, let milestones else { return .quantized }
    return milestones(step)
  }

  private func quantize(_ value: Variable, _ place: Place, _ pass: ForwardPass) -> Variable {
    // What shape an activation has shows only here.
    do throws(QuantizationError) {
      _ = try place.quantizer.layout(of: value.shape, named: place.path)
    } catch {
      pass.note(NumericFault(path: place.path, what: "\(error)"))
      return value
    }
    if place.rule.isDynamic, place.quantizer.isSymmetric, !place.quantizer.format.isSigned,
      value.value.count > 0, value.value.minimum() < 0
    {
      let error = QuantizationError.unsigned(
        place.path.name, format: place.quantizer.format.name)
      pass.note(NumericFault(path: place.path, what: "\(error)"))
      return value
    }
    let estimator: any GradientEstimator =
      place.estimator.isRandom && !pass.mode.isTraining ? StraightThrough() : place.estimator
    do throws(NotFiniteRow) {
      if place.stateNames.isEmpty {
        return try estimator.quantize(
          value, place.quantizer, [:], pass.random(at: Site(place.path)))
      }
      guard let state = states(place, pass) else {
        pass.note(
          NumericFault(path: place.path, what: "a static range that was never calibrated"))
        return value
      }
      return try estimator.quantize(
        value, place.quantizer, state, pass.random(at: Site(place.path)))
    } catch {
      pass.note(error.fault(at: place.path))
      return value
    }
  }

  /// The states of a place as variables; nil when calibration never put them into the store.
  private func states(_ place: Place, _ pass: ForwardPass) -> [String: Variable]? {
    let isFrozen = phase(pass).freezesScales
    var result: [String: Variable] = [:]
    for name in place.stateNames {
      guard let parameter = pass.parameter(at: place.path(of: name)) else { return nil }
      result[name] = isFrozen ? pass.raw(parameter).detached : pass.raw(parameter)
    }
    return result
  }
}
