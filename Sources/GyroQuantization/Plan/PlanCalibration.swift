public import GyroModels
import GyroTensors

/// What passes over sample data tell a plan about activations whose range is found once and kept.
///
/// ```
/// var calibration = Calibration(for: plan)
/// for batch in batches {
///   let pass = ForwardPass(store, mode: .calibration, instrumentation: calibration.probe)
///   _ = model(batch, pass)
///   try calibration.absorb(pass.statistics)
/// }
/// try plan.prepare(&store, with: calibration)
/// ```
public struct Calibration: Sendable {
  var observers: [ParameterPath: RangeObserver]
  /// The first batch at each site: what estimators start from.
  var samples: [ParameterPath: Tensor] = [:]
  /// The sites that are watched.
  public let sites: [ParameterPath]
  private let online: OnlineTransforms

  /// - Throws: `RangeError` when a range method cannot watch activations.
  public init(for plan: QuantizationPlan) throws {
    sites = plan.staticSites
    online = plan.online
    observers = [:]
    for site in sites {
      observers[site] = try RangeObserver(
        plan.places[site]!.rule.range, site: site.name)
    }
  }

  /// Records the activations of the watched sites; everything stays float, and
  /// online transforms run.
  public var probe: some Instrumentation { SiteProbe(online, at: Set(sites)) }

  /// Takes in what one pass recorded.
  /// - Throws: `RangeError` for a value that is not finite.
  public mutating func absorb(_ statistics: Statistics) throws {
    for site in sites {
      guard let value = statistics[site] else { continue }
      try observers[site]!.observe(value)
      if samples[site] == nil { samples[site] = value }
    }
  }
}

extension QuantizationPlan {
  /// The activation sites whose range is found once, in the model's order.
  public var staticSites: [ParameterPath] {
    order.filter { path in
      !places[path]!.rule.isDynamic && !weightPaths.contains(path)
    }
  }

  /// Whether ranges of activations have to be calibrated before quantization can be turned on.
  public var needsCalibration: Bool { !staticSites.isEmpty }

  /// Puts the states of quantizers — scales, offsets, whatever estimators learn — into the store,
  /// beside the weights. States already there stay: those of a quantized checkpoint's activations
  /// train on from their values in the file.
  /// - Throws: `QuantizationError.uncalibrated` for a site no batch reached, or the `RangeError` or
  ///   `QuantizationError` of what a range method or estimator finds wrong.
  public func prepare(
    _ parameters: inout ParameterStore, with calibration: Calibration? = nil
  ) throws {
    try prepare(&parameters, calibration, steps: 100)
  }

  private func prepare(
    _ parameters: inout ParameterStore, _ calibration: Calibration?, steps: Int
  ) throws {
    let weights = weightPaths
    for path in order {
      var place = places[path]!
      let names = place.stateNames
      if names.allSatisfy({ parameters.contains(place.path(of: $0)) }) {
        if !weights.contains(path) { try markTrained(place, &parameters) }
        continue
      }
      if !place.rule.isDynamic { place = try starting(place, parameters) }
      let (sample, ranges) =
        place.rule.isDynamic
        ? (Tensor.zeros([1]), [Float(0)...1])
        : weights.contains(path)
          ? try start(ofWeight: parameters[path].decodingApart(), place, steps)
          : try start(ofSite: place, calibration)
      if !weights.contains(path) { declareMovingRange(ranges[0], place, &parameters) }
      let scales = place.quantizer.scales(ranges: ranges)
      for state in try place.estimator.initialState(for: sample, place.quantizer, scales: scales) {
        parameters.declare(
          place.path(of: state.name), state.value, kind: state.isTrained ? .quantizer : .buffer)
      }
    }
  }

  /// Finds the ranges of weights that are found once anew, after weights have moved otherwise than by
  /// training.
  /// - Parameter steps: into how many steps a search cuts the range of a weight. A tenth of them finds
  ///   about the same ranges ten times as fast, for numbers that will move again.
  /// - Throws: as `prepare` does.
  public func rangeWeights(in parameters: inout ParameterStore, steps: Int = 100) throws {
    for path in order where weightPaths.contains(path) {
      let place = places[path]!
      for name in place.stateNames where !place.rule.isDynamic {
        parameters.remove(place.path(of: name))
      }
    }
    try prepare(&parameters, nil, steps: steps)
  }

  private func start(
    ofWeight weight: Tensor, _ place: Place, _ steps: Int
  ) throws -> (sample: Tensor, ranges: [ClosedRange<Float>]) {
    let ranges = try WeightRanges.ranges(
      of: weight, quantizer: place.quantizer, method: place.rule.range, site: place.path.name,
      steps: steps)
    return (weight, ranges)
  }

  /// A file does not tell which of a site's states are trained; the estimator does.
  private func markTrained(
    _ place: Place, _ parameters: inout ParameterStore
  ) throws(QuantizationError) {
    let states = states(of: place, in: parameters)
    guard !states.isEmpty else { return }
    let scales =
      place.estimator.scales(place.quantizer, states) ?? place.quantizer.scales(ranges: [0...1])
    let fresh = try place.estimator.initialState(
      for: scales.scales, place.quantizer, scales: scales)
    for state in fresh where state.isTrained {
      let path = place.path(of: state.name)
      guard parameters.parameter(at: path)?.kind == .buffer else { continue }
      let value = parameters[path]
      parameters.remove(path)
      parameters.declare(path, value, kind: .quantizer)
    }
  }

  private func start(
    ofSite place: Place, _ calibration: Calibration?
  ) throws -> (sample: Tensor, ranges: [ClosedRange<Float>]) {
    guard let calibration, let sample = calibration.samples[place.path],
      let observer = calibration.observers[place.path]
    else { throw QuantizationError.uncalibrated(place.path) }
    return (sample, [try observer.range(for: place.quantizer)])
  }
}
