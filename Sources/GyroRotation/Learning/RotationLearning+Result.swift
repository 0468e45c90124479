import Glibc
import GyroManifolds
public import GyroModels
public import GyroTensors

extension RotationLearning {
  /// What was learned, brought back to orthogonal matrices in Float64, ready to be merged.
  /// - Returns: the rotations, and how far the largest element of `RRᵀ − I` or `RᵀR − I` was from
  ///   zero before.
  /// - Throws: `LinearAlgebraError` when a rotation is not finite.
  public func rotations(
    in parameters: ParameterStore
  ) throws(LinearAlgebraError) -> (rotations: LlamaRotations, residual: Double) {
    var residual = 0.0
    func matrix(_ path: ParameterPath) throws(LinearAlgebraError) -> Matrix64 {
      let learned = Matrix64(parameters[path])
      residual = max(residual, OrthogonalityReport(of: learned).largest)
      return try Stiefel().projected(learned)
    }
    var rotations = LlamaRotations()
    if frames.placements.contains(.residual) {
      rotations.residual = try matrix(RotationPaths.residual)
    }
    if frames.placements.contains(.values) {
      var turns: [Matrix64] = []
      for layer in 0..<configuration.layers {
        turns.append(try matrix(RotationPaths.values(layer)))
      }
      rotations.values = turns
    }
    rotations.keys = plan.online.transforms.first { $0.key.name.hasSuffix(".keys") }?.value
    rotations.feedForward =
      plan.online.transforms.first { $0.key.name.hasSuffix("down_proj.input") }?.value
    guard !scalings.isEmpty else { return (rotations, residual) }
    var found = LlamaScalings()
    for pair in scalings {
      found[pair] = (0..<configuration.layers).map { layer in
        let logarithms = parameters[RotationPaths.scaling(pair, layer)]
        return Matrix64(logarithms.reshaped([1, -1])).elements.map(exp)
      }
    }
    rotations.scalings = found
    return (rotations, residual)
  }
}
