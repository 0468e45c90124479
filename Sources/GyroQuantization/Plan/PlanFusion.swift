public import GyroModels
import GyroTensors

/// Runtimes put q, k and v, and gate and up, into one matrix each, which has room for one scale of the
/// whole tensor. Where scales have two levels (`ScaleFormat.e4m3`), such weights therefore share it,
/// in training as in what ships: it follows from what reaches furthest in any of them. A gradient
/// takes it for a constant, as it does the scale of a weight alone. Steps that are kept or learned
/// group by group start under the shared one and keep it; one stored before stays.
extension QuantizationPlan {
  /// The weights that share one scale of the tensor with the weight at a path, itself among them;
  /// empty where it has its own.
  public func weights(sharingTensorScaleWith path: ParameterPath) -> [ParameterPath] {
    places[path]?.fused ?? []
  }

  /// The quantizer of a weight as these parameters leave it, with the scale of the tensor that it
  /// shares with others; nil for what stays float.
  package func quantizer(at path: ParameterPath, in parameters: ParameterStore) -> Quantizer? {
    places[path].map { sharing($0, parameters).quantizer }
  }

  /// A place with the scale of the tensor that its weight shares with others; as it is where there
  /// are none, or where the scale was found once and is kept.
  func sharing(_ place: Place, _ parameters: ParameterStore) -> Place {
    sharing(place) { parameters.contains($0) ? parameters[$0] : nil }
  }

  /// The same for values and states that come from elsewhere, nil where there are none.
  func sharing(_ place: Place, _ value: (ParameterPath) -> Tensor?) -> Place {
    guard !place.fused.isEmpty else { return place }
    var result = place
    let scale = Self.shared(
      place.fused.map { path in
        guard let weight = value(path) else { return nil }
        if let kept = Self.keptTensorScale(of: weight) { return kept }
        var states: [String: Tensor] = [:]
        for name in place.stateNames { states[name] = value(place.path(of: name, at: path)) }
        return place.estimator.tensorScale(of: weight.decodingApart(), place.quantizer, states)
      })
    result.quantizer = place.quantizer.sharing(tensorScale: scale)
    return result
  }

  /// A place with the scale of the tensor from which the kept or learned scales of fused weights
  /// start.
  /// - Throws: `RangeError`, as finding the ranges of one of the weights does.
  func starting(_ place: Place, _ parameters: ParameterStore) throws(RangeError) -> Place {
    guard !place.fused.isEmpty else { return place }
    var scales: [Float?] = []
    for path in place.fused {
      let weight = parameters[path]
      if let kept = Self.keptTensorScale(of: weight) {
        scales.append(kept)
      } else {
        let own = try WeightRanges.tensorScale(
          of: weight, quantizer: place.quantizer, method: place.rule.range, site: path.name)
        scales.append(own)
      }
    }
    var result = place
    result.quantizer = place.quantizer.sharing(tensorScale: Self.shared(scales))
    return result
  }

  /// The largest of the scales that weights need for themselves. One that is not finite comes from a
  /// weight that is not, which says so when its turn comes.
  private static func shared(_ scales: [Float?]) -> Float? {
    scales.compactMap { $0 }.filter(\.isFinite).max()
  }

  /// The scale of the tensor that a weight on its grid already has.
  private static func keptTensorScale(of weight: Tensor) -> Float? {
    guard let codes = weight.encoded as? QuantizedTensor, codes.scaleFormat == .e4m3 else {
      return nil
    }
    return codes.scales.tensorScale
  }
}

extension [ParameterPath: QuantizationPlan.Place] {
  /// Notes which weights share the scale of the tensor: those that runtimes fuse, as far as one rule
  /// with scales of two levels holds for them.
  mutating func share(_ fusions: [[ParameterPath]]) {
    for fusion in fusions {
      for path in fusion {
        guard let place = self[path], place.quantizer.scaleFormat == .e4m3 else { continue }
        let alike = fusion.filter { self[$0]?.rule == place.rule }
        if alike.count > 1 { self[path]!.fused = alike }
      }
    }
  }
}
