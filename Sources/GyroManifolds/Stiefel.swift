public import GyroTensors

/// Matrices with orthonormal rows: X [p, n] with p ≤ n and X·Xᵀ = I, as rotations are stored. Square
/// ones (p = n) are the orthogonal group.
///
/// Convention: rows, not columns, so everything acts from the right. A vector Z [p, n] is tangent at X
/// when Z·Xᵀ is skew-symmetric. It then equals X·Ω with the skew-symmetric n × n
/// ```
/// Ω = Xᵀ·B − Bᵀ·X,  B = Z − ½·(Z·Xᵀ)·X        (rank ≤ 2p)
/// ```
/// and the retraction along Z is X·cayley(t·Ω), cayley(A) = (I + A/2)·(I − A/2)⁻¹. For square X,
/// Ω = XᵀZ, and the tangent part of a gradient G is X·skew(XᵀG). (Edelman, Arias and Smith 1998;
/// Wen and Yin 2013; Li, Li and Todorovic, ICLR 2020.)
public struct Stiefel: Manifold, Equatable {
  /// How X·cayley(t·Ω) is worked out.
  public enum Retraction: Sendable, Equatable {
    /// `lowRank` where it is the smaller system, 2p < n; else `exact`.
    case automatic
    /// LU factorization of an n × n system.
    case exact
    /// As SpinQuant's code has it: that many fixed-point steps from X + t·Z. Orthogonal only as far as
    /// they converge, (t·‖Ω‖₂/2)^(iterations + 1).
    case fixedPoint(iterations: Int)
    /// The Woodbury identity: a 2p × 2p system, for p ≪ n.
    case lowRank
  }

  public let retraction: Retraction

  public init(retraction: Retraction = .automatic) {
    if case .fixedPoint(let iterations) = retraction {
      precondition(
        iterations >= 1, "Stiefel: \(iterations) fixed-point steps; at least 1 is needed")
    }
    self.retraction = retraction
  }

  /// The polar factor: U·Vᵀ of the singular value decomposition, the nearest matrix with orthonormal
  /// rows in every unitarily invariant norm.
  /// - Throws: `LinearAlgebraError` when an element is not finite.
  public func projected(_ matrix: Matrix64) throws(LinearAlgebraError) -> Matrix64 {
    requireWide(matrix)
    return try matrix.polarFactor()
  }

  /// The rows made orthonormal one after the other (QR of the transpose, with positive diagonal):
  /// row i keeps the part of row i that rows 0 ..< i do not span.
  /// - Throws: `LinearAlgebraError` when an element is not finite.
  public func orthonormalized(_ matrix: Matrix64) throws(LinearAlgebraError) -> Matrix64 {
    requireWide(matrix)
    return try matrix.transposed().qr(positiveDiagonal: true).q.transposed()
  }

  /// Z = G − sym(G·Xᵀ)·X.
  public func tangent(_ vector: Matrix64, at point: Matrix64) -> Matrix64 {
    requireWide(point)
    let product = vector.matmul(point, transposingOther: true)
    return vector - (0.5 * (product + product.transposed())).matmul(point)
  }

  /// The skew-symmetric Ω [n, n] with `tangent` = `point`·Ω.
  public func direction(of tangent: Matrix64, at point: Matrix64) -> Matrix64 {
    let product = point.matmul(reduced(tangent, at: point), transposingSelf: true)
    return product - product.transposed()
  }

  /// `matrix` · cayley(`length` · `direction`), for any `matrix` [q, n] and skew-symmetric `direction`
  /// [n, n]: a rotation of rows, exact to Float64.
  /// - Throws: `LinearAlgebraError.notFinite`.
  public func rotated(
    _ matrix: Matrix64, along direction: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64 {
    try CayleyTransform.moved(matrix, along: direction, by: length)
  }

  public func retracted(
    _ point: Matrix64, along tangent: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64 {
    requireWide(point)
    guard case .fixedPoint(let iterations) = retraction else {
      return try moved(point, at: point, along: tangent, by: length)
    }
    return CayleyTransform.iterated(
      point, from: point + length * tangent, along: direction(of: tangent, at: point), by: length,
      iterations: iterations)
  }

  /// For square X the vector keeps its body-frame direction, X·A → X'·A, so a momentum kept as A is
  /// tangent at every point and needs no arithmetic. For p < n the vector is moved as the point is,
  /// Z → Z·cayley(t·Ω); for a multiple of the direction itself this is X'·Ω, the same thing.
  public func transported(
    _ vector: Matrix64, from point: Matrix64, along tangent: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64 {
    requireWide(point)
    if point.rows < point.columns {
      return try moved(vector, at: point, along: tangent, by: length)
    }
    let frame = point.matmul(vector, transposingSelf: true)
    return try moved(point, at: point, along: tangent, by: length).matmul(frame)
  }

  /// The larger of max|X·Xᵀ − I| and, for square X, max|XᵀX − I|.
  public func residual(_ matrix: Matrix64) -> Double { OrthogonalityReport(of: matrix).largest }

  private func moved(
    _ matrix: Matrix64, at point: Matrix64, along tangent: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64 {
    let isLow =
      switch retraction {
      case .lowRank: true
      case .automatic: 2 * point.rows < point.columns
      case .exact, .fixedPoint: false
      }
    guard isLow else {
      return try CayleyTransform.moved(
        matrix, along: direction(of: tangent, at: point), by: length)
    }
    // Ω = [Xᵀ, −Bᵀ] · [B; X]
    let other = reduced(tangent, at: point)
    let right = Matrix64(
      rows: 2 * point.rows, columns: point.columns, elements: other.elements + point.elements)
    let left = Matrix64(
      rows: 2 * point.rows, columns: point.columns,
      elements: point.elements + other.elements.map { -$0 }
    ).transposed()
    return try CayleyTransform.moved(matrix, left: left, right: right, by: length)
  }

  /// B = Z − ½·(Z·Xᵀ)·X.
  private func reduced(_ tangent: Matrix64, at point: Matrix64) -> Matrix64 {
    tangent - 0.5 * tangent.matmul(point, transposingOther: true).matmul(point)
  }

  private func requireWide(_ matrix: Matrix64) {
    precondition(
      matrix.rows <= matrix.columns,
      "Stiefel: \(matrix.rows)×\(matrix.columns) cannot have orthonormal rows; "
        + "transpose it, so that no side is longer than a row")
  }

  public var description: String {
    switch retraction {
    case .automatic: "stiefel"
    case .exact: "stiefel(exact)"
    case .fixedPoint(let iterations): "stiefel(fixed point, \(iterations) iterations)"
    case .lowRank: "stiefel(low rank)"
    }
  }
}
