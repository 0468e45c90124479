import GyroAutodiff
import GyroModels
import GyroTensors

/// Lets the factors at the sides of a tensor see what quantizing it does, without changing a value.
/// Inputs: the tensor, then the learned factors' values in the order of `paths`.
struct FrameOp: Op {
  /// Which error the factors see.
  enum Role: Sendable {
    /// This value stands for the tensor, straight through: `e` is the difference.
    case quantizing(Tensor)
    /// The tensor before a quantizer whose gradient is its own affair: `e = −x`.
    case entering
    /// The tensor after it: `e = Q(x)`.
    case leaving
  }

  let role: Role
  let sides: [FrameSide]
  let paths: [ParameterPath]
  let precision: MatmulPrecision

  struct Residual {
    let input: Tensor
    let values: [ParameterPath: Tensor]
  }

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let values = Dictionary(uniqueKeysWithValues: zip(paths, inputs.dropFirst()))
    let residual = Residual(input: inputs[0], values: values)
    if case .quantizing(let value) = role { return (value, residual) }
    return (inputs[0], residual)
  }

  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    let error =
      switch role {
      case .quantizing(let value): value - residual.input
      case .entering: -residual.input
      case .leaving: residual.input
      }
    let learned = Set(zip(paths, needs.dropFirst()).filter(\.1).map(\.0))
    var gradients: [ParameterPath: Tensor] = [:]
    for side in sides {
      let gradient = FrameGradient(
        factors: side.factors, values: residual.values, precision: precision)
      let found = gradient(
        error: side.oriented(error), cotangent: side.oriented(cotangent),
        needs: learned.contains)
      for (path, part) in found {
        if gradients[path] == nil { gradients[path] = part } else { gradients[path]!.add(part) }
      }
    }
    return [needs[0] ? cotangent : nil] + paths.map { gradients[$0] }
  }
}

/// The factors at one side of a tensor.
struct FrameSide: Sendable, Equatable {
  /// Whether they stand at the rows: then they act on the transposed matrix.
  var isRows = false
  var factors: [FrameFactor]

  /// A tensor with this side's axis last.
  func oriented(_ x: Tensor) -> Tensor {
    isRows ? x.reshaped([x.shape[0], -1]).transposed().contiguous() : x
  }
}
