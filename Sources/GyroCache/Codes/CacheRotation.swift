import CGyroKernels
import GyroManifolds
import GyroTensors

/// What is done to a head's row before it is cut into codes: an orthogonal matrix spreads outliers
/// over all coordinates and makes these nearly normal. Queries are rotated the same way, weighted
/// sums are rotated back, once each.
public enum CacheRotation: Sendable, Hashable, Codable, CustomStringConvertible {
  case none
  /// A matrix uniform over the orthogonal group (Haar).
  case orthogonal(seed: UInt64)
  /// Random signs and a Hadamard transform: n log n operations, no matrix to keep.
  case hadamard(seed: UInt64)

  public var description: String {
    switch self {
    case .none: "unrotated"
    case .orthogonal(let seed): "orthogonal rotation \(seed)"
    case .hadamard(let seed): "Hadamard rotation \(seed)"
    }
  }

  /// The same kind of rotation with a seed of its own for another part of the head.
  func derived(_ part: Int) -> CacheRotation {
    func seed(_ seed: UInt64) -> UInt64 {
      var stream = RandomStream(seed: seed).derived("cache rotation", part)
      return part == 0 ? seed : stream.next()
    }
    return switch self {
    case .none: .none
    case .orthogonal(let root): .orthogonal(seed: seed(root))
    case .hadamard(let root): .hadamard(seed: seed(root))
    }
  }
}

/// A rotation of rows of one size. A row's result does not depend on the rows beside it.
struct RowRotation: Sendable {
  let size: Int
  private let dense: (forward: RowMatrix, back: RowMatrix)?
  private let transform: HadamardTransform?

  init(_ rotation: CacheRotation, size: Int) {
    self.size = size
    switch rotation {
    case .none: (dense, transform) = (nil, nil)
    case .orthogonal(let seed):
      let matrix = RandomMatrix.orthogonal(size, seed: seed)
      dense = (RowMatrix(matrix), RowMatrix(matrix.transposed()))
      transform = nil
    case .hadamard(let seed):
      dense = nil
      transform = HadamardTransform(size: size, signSeed: seed)
    }
  }

  /// x → x·M, as rows `[…, size]` whatever the shape of x was.
  func applied(to x: Tensor) -> Tensor {
    let rows = x.reshaped(to: [x.count / size, size])
    return dense?.forward.applied(to: rows) ?? transform?.applied(to: rows) ?? rows
  }

  /// x → x·Mᵀ.
  func undone(_ x: Tensor) -> Tensor {
    let rows = x.reshaped(to: [x.count / size, size])
    return dense?.back.applied(to: rows) ?? transform?.applied(to: rows, transposed: true) ?? rows
  }

  /// Bytes of the matrix and its transpose.
  var byteCount: Int { dense == nil ? 0 : 2 * size * size * 4 }
}

/// A matrix that rows are multiplied by, always in the same order of additions.
struct RowMatrix: Sendable {
  let rows: Int, columns: Int
  private let elements: Tensor

  init(_ matrix: Matrix64) {
    (rows, columns) = (matrix.rows, matrix.columns)
    elements = matrix.tensor
  }

  /// x → x·M: `[…, rows]` to `[…, columns]`.
  func applied(to x: Tensor) -> Tensor {
    let count = x.count / rows
    return Tensor.filled([count, columns]) { destination in
      x.withElements { source in
        elements.withElements {
          gyro_cache_rotate(
            source, Int64(count), Int64(rows), $0, Int64(columns), destination)
        }
      }
    }
  }
}
