public import GyroModels
import GyroTensors

extension QuantizationPlan {
  /// The quantized weights whose codes can be followed while they train: groups are runs of elements
  /// and weights are rounded as they are, not transformed first.
  public var watchableWeights: [ParameterPath] {
    let weights = weightPaths
    return order.filter { path in
      guard weights.contains(path), let place = places[path] else { return false }
      return place.quantizer.granularity.kind != .block && place.estimator.roundsWeightsAsTheyAre
    }
  }

  /// The codes a weight has at a step; nil while it is float.
  /// - Throws: `NumericFault` when it holds a value that is not finite.
  public func codes(
    of path: ParameterPath, in parameters: ParameterStore, step: Int
  ) throws(NumericFault) -> QuantizedTensor? {
    guard let place = places[path] else { return nil }
    let phase = milestones?(step) ?? .quantized
    guard phase.quantizesWeights, let annealed = self.place(place, in: phase) else { return nil }
    let now = sharing(annealed, parameters)
    do throws(NotFiniteRow) {
      return try now.estimator.quantized(
        parameters[path], now.quantizer, states(of: place, in: parameters))
    } catch {
      throw error.fault(at: path)
    }
  }

  /// The parameter that holds a weight's learned scale; nil when it has none.
  public func learnedScale(of path: ParameterPath) -> ParameterPath? {
    guard let place = places[path], !place.rule.isDynamic else { return nil }
    return place.estimator.learnedScale.map(place.path(of:))
  }

  /// Follows a schedule of phases.
  /// - Parameter changesBits: whether the width of weights changes on the way.
  /// - Throws: `QuantizationError.annealing` when a weight's width cannot change.
  public mutating func follow(
    _ changesBits: Bool, _ phases: @escaping @Sendable (_ step: Int) -> QuantizationPhase
  ) throws(QuantizationError) {
    if changesBits {
      for path in order where weightPaths.contains(path) {
        let place = places[path]!
        guard place.rule.isDynamic, place.quantizer.format is IntegerFormat else {
          throw .annealing(path, format: place.rule.summary)
        }
      }
    }
    milestones = phases
  }

  /// A place as a phase changes it: with another width while bits anneal.
  func place(_ place: Place, in phase: QuantizationPhase) -> Place? {
    guard let bits = phase.bits, let format = place.quantizer.format as? IntegerFormat,
      bits != format.bits, weightPaths.contains(place.path)
    else { return place }
    let other = IntegerFormat(
      bits: bits, isSigned: format.isSigned, isRestricted: format.isRestricted,
      isHalfRange: format.isHalfRange)
    let quantizer = try? Quantizer(
      other, place.quantizer.granularity, scaleFormat: place.quantizer.scaleFormat,
      isSymmetric: place.quantizer.isSymmetric)
    return quantizer.map {
      var other = place
      other.quantizer = $0
      return other
    }
  }
}
