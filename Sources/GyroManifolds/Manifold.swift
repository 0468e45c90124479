public import GyroTensors

/// A set of matrices on which a parameter is learned, e.g. the orthogonal ones.
///
/// Everything is worked out in Float64, where orthogonality holds to 1e-13. The forms on `Tensor`
/// convert, so they are for setting up and checking; what runs in every step of training
/// has Float32 arithmetic of its own (`BodyFrame`, `CayleySeries`). A tensor `[k, p, n]` is a stack
/// of k independent matrices.
///
/// Laws that the test suite checks for each manifold: `projected` and `tangent` are idempotent; the
/// tangent of anything is tangent, also after `transported`, which is linear; `retracted` stays on
/// the manifold and departs from `point + length · tangent` by O(length²).
public protocol Manifold: Sendable, CustomStringConvertible {
  /// The point of the manifold nearest to `matrix` (Frobenius norm).
  /// - Throws: `LinearAlgebraError` when an element is not finite or a factorization fails.
  func projected(_ matrix: Matrix64) throws(LinearAlgebraError) -> Matrix64

  /// The orthogonal projection of `vector`, e.g. a gradient, on the tangent space at `point`.
  func tangent(_ vector: Matrix64, at point: Matrix64) -> Matrix64

  /// The point reached from `point` along a tangent vector: `point + length · tangent + O(length²)`,
  /// on the manifold.
  /// - Throws: `LinearAlgebraError` when an element is not finite or a factorization fails.
  func retracted(
    _ point: Matrix64, along tangent: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64

  /// A tangent vector at `point` carried along the same path to the tangent space where
  /// `retracted(point, along: tangent, by: length)` ends, without changing its norm.
  /// - Throws: `LinearAlgebraError` when an element is not finite or a factorization fails.
  func transported(
    _ vector: Matrix64, from point: Matrix64, along tangent: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64

  /// How far a matrix is from the manifold; zero on it.
  func residual(_ matrix: Matrix64) -> Double
}

/// The same for Float32 tensors: a matrix `[p, n]` or a stack of matrices `[k, p, n]`.
extension Manifold {
  /// The point nearest to `matrix`, rounded to Float32.
  public func projected(_ matrix: Tensor) throws(LinearAlgebraError) -> Tensor {
    var result = matrix.matrices
    for place in result.indices { result[place] = try projected(result[place]) }
    return Tensor(stack: result, shape: matrix.shape)
  }

  /// The tangent part of `vector` at `point`, rounded to Float32.
  public func tangent(_ vector: Tensor, at point: Tensor) -> Tensor {
    requireSameShape(vector, point, "tangent")
    let result = zip(vector.matrices, point.matrices).map { tangent($0, at: $1) }
    return Tensor(stack: result, shape: point.shape)
  }

  /// The point reached along a tangent vector, rounded to Float32.
  public func retracted(
    _ point: Tensor, along tangent: Tensor, by length: Double
  ) throws(LinearAlgebraError) -> Tensor {
    requireSameShape(tangent, point, "retracted")
    let directions = tangent.matrices
    var result = point.matrices
    for place in result.indices {
      result[place] = try retracted(result[place], along: directions[place], by: length)
    }
    return Tensor(stack: result, shape: point.shape)
  }

  /// A tangent vector carried along, rounded to Float32.
  public func transported(
    _ vector: Tensor, from point: Tensor, along tangent: Tensor, by length: Double
  ) throws(LinearAlgebraError) -> Tensor {
    requireSameShape(vector, point, "transported")
    requireSameShape(tangent, point, "transported")
    let (points, directions) = (point.matrices, tangent.matrices)
    var result = vector.matrices
    for place in result.indices {
      result[place] = try transported(
        result[place], from: points[place], along: directions[place], by: length)
    }
    return Tensor(stack: result, shape: point.shape)
  }

  /// How far a matrix, or the worst of a stack, is from the manifold.
  public func residual(_ matrix: Tensor) -> Double {
    matrix.matrices.map { residual($0) }.reduce(0) { $1 <= $0 ? $0 : $1 }
  }

  private func requireSameShape(_ a: Tensor, _ b: Tensor, _ operation: String) {
    precondition(
      a.shape == b.shape, "\(self).\(operation): shapes \(a.shape) and \(b.shape) differ")
  }
}

extension Tensor {
  /// The matrices of `[p, n]` or `[k, p, n]` in Float64.
  package var matrices: [Matrix64] {
    precondition(
      shape.rank == 2 || shape.rank == 3,
      "manifold: expected a matrix or a stack of matrices, not shape \(shape)")
    let (rows, columns) = (shape[-2], shape[-1])
    let size = rows * columns
    return withElements { source in
      (0..<(shape.rank == 3 ? shape[0] : 1)).map { place in
        let part = UnsafeBufferPointer(start: source + place * size, count: size)
        return Matrix64(rows: rows, columns: columns, elements: part.map(Double.init))
      }
    }
  }

  /// Matrices rounded to Float32, one after the other.
  package init(stack: [Matrix64], shape: Shape) {
    self.init(shape, elements: stack.flatMap { $0.elements.map(Float.init) })
  }
}
