import Foundation
import GyroAutodiff
import GyroModels
import GyroTensors
import GyroTraining

/// Weights rounded to a fixed grid of whole multiples of a scale, written out for tests.
struct GridWeights: QuantizedWeights, Instrumentation {
  var quantizedWeights: [ParameterPath]
  /// Levels from −largest to largest.
  var largest: Float = 3
  var scale: Float = 0.25
  var scales: [ParameterPath: ParameterPath] = [:]
  /// The first step at which weights are quantized.
  var delay = 0

  func codes(
    of path: ParameterPath, in parameters: ParameterStore, step: Int
  ) throws -> WeightCodes? {
    guard step >= delay else { return nil }
    return codes(parameters[path].elements)
  }

  func codes(_ weights: [Float]) -> WeightCodes {
    WeightCodes(
      levels: weights.map { UInt8(level($0) + largest) },
      values: stride(from: -largest, through: largest, by: 1).map { $0 }, scales: [scale])
  }

  func learnedScale(of path: ParameterPath) -> ParameterPath? { scales[path] }

  private func level(_ weight: Float) -> Float {
    max(-largest, min(largest, (weight / scale).rounded(.toNearestOrEven)))
  }

  func rounded(_ tensor: Tensor) -> Tensor {
    Tensor(tensor.shape, elements: tensor.elements.map { level($0) * scale })
  }

  func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    quantizedWeights.contains(parameter.path) ? value.standingFor(rounded(value.value)) : value
  }
  func activation(_ value: Variable, at: Site, _ pass: ForwardPass) -> Variable { value }
}
