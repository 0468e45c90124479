import GyroTensors

/// The Cayley transform cayley(tΩ) = (I + tΩ/2)·(I − tΩ/2)⁻¹ of a skew-symmetric Ω, in Float64. It is
/// orthogonal, and its product is never formed: matrices are moved by it, A → A·cayley(tΩ).
enum CayleyTransform {
  /// `matrix · cayley(length · direction)` by LU: A + D, where D·(I − tΩ/2) = t·A·Ω.
  static func moved(
    _ matrix: Matrix64, along direction: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64 {
    // Transposed: (I + tΩ/2)·Dᵀ = t·(A·Ω)ᵀ.
    var system = (length / 2) * direction
    for place in 0..<system.rows { system[place, place] += 1 }
    let side = length * matrix.matmul(direction)
    return matrix + (try system.solved(for: side.transposed())).transposed()
  }

  /// `matrix · cayley(length · left · right)` for a direction of low rank r, `left` [n, r] and
  /// `right` [r, n], by the Woodbury identity: A + t·(A·left)·(I − t/2·right·left)⁻¹·right. The
  /// system is r × r.
  static func moved(
    _ matrix: Matrix64, left: Matrix64, right: Matrix64, by length: Double
  ) throws(LinearAlgebraError) -> Matrix64 {
    var system = (-length / 2) * right.matmul(left)
    for place in 0..<system.rows { system[place, place] += 1 }
    return matrix + length * matrix.matmul(left).matmul(try system.solved(for: right))
  }

  /// `iterations` steps of Y ← A + t/2·(A + Y)·Ω, whose fixed point is `matrix · cayley(t·Ω)`. The
  /// error shrinks by t·‖Ω‖₂/2 in each step. (Li, Li and Todorovic, ICLR 2020, algorithm 1.)
  static func iterated(
    _ matrix: Matrix64, from start: Matrix64, along direction: Matrix64, by length: Double,
    iterations: Int
  ) -> Matrix64 {
    var result = start
    for _ in 0..<iterations {
      result = matrix + (length / 2) * (matrix + result).matmul(direction)
    }
    return result
  }
}
