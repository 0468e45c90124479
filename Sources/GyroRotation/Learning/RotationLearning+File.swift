import Glibc
public import GyroModels
import GyroTensors

extension RotationLearning {
  /// Puts given rotations into the store and merges them; a scaling pair that they lack starts at 1.
  /// - Throws: `RotationError` when they do not fit the model, or a rotation that the scheme asks for
  ///   is not among them.
  public func start(
    _ parameters: inout ParameterStore, from rotations: LlamaRotations
  ) throws(RotationError) {
    try rotations.check(against: configuration)
    declare(.identity, in: &parameters)
    if frames.placements.contains(.residual) {
      guard let residual = rotations.residual else {
        throw .file(key: "r1", problem: "is not there, and the scheme asks for it")
      }
      parameters[RotationPaths.residual] = residual.tensor
    }
    if frames.placements.contains(.values) {
      guard let values = rotations.values else {
        throw .file(key: "r2.0", problem: "is not there, and the scheme asks for it")
      }
      for (layer, value) in values.enumerated() {
        parameters[RotationPaths.values(layer)] = value.tensor
      }
    }
    for pair in scalings {
      guard let factors = rotations.scalings?[pair] else { continue }
      for (layer, row) in factors.enumerated() {
        parameters[RotationPaths.scaling(pair, layer)] = Tensor(
          [row.count], elements: row.map { Float(log($0)) })
      }
    }
    merge(into: &parameters)
  }
}
