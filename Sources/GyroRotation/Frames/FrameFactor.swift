import GyroManifolds
import GyroModels
import GyroTensors

/// One factor of the matrix that stands at a side of a tensor: rows `x` become `x · F₁ · F₂ …`.
///
/// A network computes the same when a matrix stands behind one tensor and its inverse in front of the
/// next; what quantization loses depends on which. Rotations and scalings are learned, Hadamard
/// transforms are given.
enum FrameFactor: Sendable, Equatable {
  /// An orthogonal matrix, on blocks of columns of its size.
  case rotation(ParameterPath)
  /// `exp(±l)` times each column; column `c` has the logarithm `l[places[c]]`.
  case scaling(ParameterPath, places: [Int32], isInverse: Bool)
  /// A transform that nobody learns, on blocks of columns of its size.
  case hadamard(HadamardTransform)

  /// Where the learned numbers of this factor live.
  var path: ParameterPath? {
    switch self {
    case .rotation(let path), .scaling(let path, _, _): path
    case .hadamard: nil
    }
  }

  /// `x · F`.
  func applied(
    to x: Tensor, _ values: [ParameterPath: Tensor], precision: MatmulPrecision
  ) -> Tensor {
    switch self {
    case .rotation(let path):
      let matrix = values[path]!
      return x.reshaped([-1, matrix.shape[0]]).matmul(matrix, precision: precision)
        .reshaped(to: x.shape)
    case .scaling(let path, let places, let isInverse):
      return x * Self.factors(values[path]!, places, isInverse: isInverse)
    case .hadamard(let transform):
      return transform.applied(to: x.reshaped([-1, transform.size])).reshaped(to: x.shape)
    }
  }

  /// `x · F⁻¹`, or `x · Fᵀ` when `dual`.
  func removed(
    from x: Tensor, _ values: [ParameterPath: Tensor], dual: Bool = false,
    precision: MatmulPrecision
  ) -> Tensor {
    switch self {
    case .rotation(let path):
      let matrix = values[path]!
      return x.reshaped([-1, matrix.shape[0]])
        .matmul(matrix, transposingOther: true, precision: precision).reshaped(to: x.shape)
    case .scaling(let path, let places, let isInverse):
      return x * Self.factors(values[path]!, places, isInverse: isInverse == dual)
    case .hadamard(let transform):
      return transform.applied(to: x.reshaped([-1, transform.size]), transposed: true)
        .reshaped(to: x.shape)
    }
  }

  private static func factors(
    _ logarithms: Tensor, _ places: [Int32], isInverse: Bool
  ) -> Tensor {
    let factors = (isInverse ? -logarithms : logarithms).exp().elements
    return Tensor([places.count], elements: places.map { factors[Int($0)] })
  }
}
