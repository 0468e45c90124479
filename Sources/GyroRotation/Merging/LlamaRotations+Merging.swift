public import GyroModels
import GyroTensors

extension LlamaRotations {
  /// The parameters with everything merged that can be: R1 and R2, the half of R4 that lies in the
  /// weights, all factors. Computed in Float64, each weight rounded once. R3, and the other half of
  /// R4, run online (`OnlineTransforms`).
  ///
  /// In the order of computation: embedding `E · R1`; q, k, v, gate, up, `lm_head` `W · R1`, divided
  /// by the factors of their inputs; keys and queries by the factors of their rotary pairs; values
  /// by theirs, then R2 by head, undone in the columns of `o_proj` by query head; up by its factors,
  /// undone in the columns of `down_proj`, then R4; `o_proj` and `down_proj` `R1ᵀ · W`. Offsets turn
  /// with the outputs they are added to.
  ///
  /// - Parameter parameters: of a prepared model (``RotationPreparation``) if R1 is given; any
  ///   otherwise.
  /// - Throws: `RotationError`: an illegal placement, a matrix that is not orthogonal within 1e-4, a
  ///   wrong size, a value that is not finite, a model that is not prepared.
  public func merged(
    into parameters: ParameterStore, _ configuration: LlamaConfiguration
  ) throws(RotationError) -> ParameterStore {
    try LlamaRotations.merged([self], into: parameters, configuration)
  }

  /// One after the other, each weight rounded once at the end.
  static func merged(
    _ sequence: [LlamaRotations], into parameters: ParameterStore,
    _ configuration: LlamaConfiguration
  ) throws(RotationError) -> ParameterStore {
    for (index, rotations) in sequence.enumerated() {
      try rotations.check(against: configuration)
      try rotations.checkGains(parameters, configuration)
      precondition(
        rotations.residual == nil || sequence[..<index].allSatisfy { $0.scalings == nil },
        "LlamaRotations: R1 cannot follow factors, which may be gains by then")
    }
    let placed = sequence.map { PlacedRotations($0, configuration) }
    var result = parameters
    for place in configuration.places {
      var weight = try parameters.matrix(at: place, configuration)
      var isChanged = false
      for rotations in placed {
        guard let next = rotations.merged(weight, at: place.path) else { continue }
        (weight, isChanged) = (next, true)
      }
      if isChanged { result.set(weight, at: place) }
    }
    return result
  }
}

extension LlamaWeights64 {
  /// The same in Float64, see ``LlamaRotations/merged(into:_:)``.
  /// - Throws: `RotationError`.
  public func merging(_ rotations: LlamaRotations) throws(RotationError) -> LlamaWeights64 {
    try rotations.check(against: configuration)
    try rotations.checkGains(in: configuration) { self[$0] }
    let placed = PlacedRotations(rotations, configuration)
    var result = self
    for place in configuration.places {
      if let weight = placed.merged(self[place], at: place.path) { result[place] = weight }
    }
    return result
  }
}
