import GyroManifolds
import GyroModels
import GyroTensors

/// Where the learning of rotations starts.
public enum RotationStart: Sendable, Hashable {
  /// No rotation.
  case identity
  /// Hadamard matrices with random signs: the paper's choice.
  case hadamard(seed: UInt64)
  /// Random orthogonal matrices.
  case orthogonal(seed: UInt64)

  /// The start of one rotation; different paths get different ones.
  func matrix(_ size: Int, at path: ParameterPath) -> Matrix64 {
    switch self {
    case .identity: .identity(size)
    case .hadamard(let seed):
      RandomMatrix.randomizedHadamard(size, seed: Self.derived(seed, path))
    case .orthogonal(let seed): RandomMatrix.orthogonal(size, seed: Self.derived(seed, path))
    }
  }

  private static func derived(_ seed: UInt64, _ path: ParameterPath) -> UInt64 {
    var stream = RandomStream(seed: seed).derived(path.name)
    return stream.next()
  }
}
