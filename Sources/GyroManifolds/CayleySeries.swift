import CGyroKernels
public import GyroTensors

/// R ← R·cayley(t·Ω) for square R in Float32, by as few and as cheap matrix products as keep R
/// orthogonal.
///
/// With h = tΩ/2 and S = h², which is symmetric,
/// ```
/// cayley(2h) = (I + h)(I − h)⁻¹ = I + (2h + 2S)·(I + S + S² + …)
/// R' = R + Z + Z·S + Z·S² + …,      Z = R·(2h + 2S)
/// ```
/// With m terms behind R, that is m + 1 products, R'ᵀR' = I + 4Sᵐ⁺¹ + O(Sᵐ⁺²). The elements of Sᵐ⁺¹
/// are at most ρ²βᵐ⁻¹ (ρ the longest row of S, β its largest row sum), so m follows from one look
/// at S. R itself is only added to, so products may be coarse in proportion to the smallness of what
/// they add: the pieces of each (`MatmulPrecision`) follow from the size of its elements. A step too long for
/// eight terms is solved exactly in Float64.
///
/// Typical training steps (‖tΩ‖₁ = ½ and a gradient spread over all elements) take m = 2: two
/// products with two bfloat16 pieces, and one with a single piece.
public struct CayleySeries: Sendable, Equatable {
  /// The most that the truncation of one step may add to an element of RᵀR. It has one sign, so it
  /// adds up over the steps; the rounding of products does so like a random walk and may be larger.
  public let tolerance: Double

  /// - Parameter tolerance: 2e-9 by default, so that a thousand steps stay below 1e-5.
  public init(tolerance: Double = 2e-9) {
    precondition(tolerance > 0, "CayleySeries: the tolerance must be positive, not \(tolerance)")
    self.tolerance = tolerance
  }

  /// What a step took.
  public struct Course: Sendable, Equatable, CustomStringConvertible {
    /// bfloat16 pieces of the factors of each product, in order (S, Z, Z·S, …); 3 is as good as
    /// Float32. Empty for an exact solution.
    public internal(set) var pieces: [Int]
    /// m; 0 for an exact solution.
    public var terms: Int { max(pieces.count - 1, 0) }

    public var description: String {
      pieces.isEmpty
        ? "exact solution in Float64"
        : "\(terms) terms, products of \(pieces.map(String.init).joined(separator: ", ")) pieces"
    }
  }

  /// Moves `point` [n, n] along the skew-symmetric `direction` [n, n] by `length`, in place.
  ///
  /// A direction that is not finite makes every element of the point NaN.
  @discardableResult
  public func move(_ point: inout Tensor, along direction: Tensor, by length: Double) -> Course {
    BodyFrame.requireSquare(point, "move")
    precondition(
      point.shape == direction.shape,
      "CayleySeries: the rotation \(point.shape) and its direction \(direction.shape) differ")
    let half = abs(length) / 2
    let found = BodyFrame.extremes(direction)
    guard found.magnitude_sum.isFinite, half.isFinite else {
      point = Tensor(point.shape, repeating: .nan)
      return Course(pieces: [])
    }
    let element = half * Double(found.magnitude)
    let rowLength = half * Double(found.square_sum).squareRoot()
    let squarePieces = max(2, pieces(size: element * rowLength, within: tolerance))
    let square = product(direction, direction, pieces: squarePieces)  // S / (t/2)²
    let extremes = BodyFrame.extremes(square)
    let sum = half * half * Double(extremes.magnitude_sum)
    let row = half * half * Double(extremes.square_sum).squareRoot()
    guard let terms = terms(row: row, sum: sum) else {
      moveExactly(&point, along: direction, by: length)
      return Course(pieces: [])
    }

    var course = Course(pieces: [squarePieces])
    // 2h + 2S = t·Ω + (t²/2)·(S / (t/2)²)
    let step = Tensor.scaledSum(length, direction, length * length / 2, square)
    // Errors of this product change with R from step to step, so they add up as a random walk.
    course.pieces.append(max(2, pieces(size: element, within: 50 * tolerance)))
    var change = product(point, step, pieces: course.pieces[1])
    var term = change
    var size = element * row
    for index in 1..<terms {
      course.pieces.append(pieces(size: size, within: 5 * tolerance))
      term = product(term, square, pieces: course.pieces[index + 1], isSymmetric: true)
      if index + 1 < terms { term.scale(by: Float(half * half)) }
      change.add(term, scaledBy: index + 1 < terms ? 1 : Float(half * half))
      size *= sum
    }
    point.add(change)
    return course
  }

  /// The smallest m whose truncation error, 4ρ²βᵐ⁻¹/(1 − β), is within the tolerance; nil when it
  /// would take more than eight.
  private func terms(row: Double, sum: Double) -> Int? {
    guard sum < 0.5, row.isFinite else { return nil }
    var error = 4 * row * row / (1 - sum)
    for terms in 1...8 {
      if error <= tolerance { return terms }
      error *= sum
    }
    return nil
  }

  /// How many bfloat16 pieces keep the error of a product within `limit`, when what matters of it is
  /// as large as `size`: one piece rounds to 9 bits, two to 17, three do not round.
  private func pieces(size: Double, within limit: Double) -> Int {
    size * 0x1p-8 <= limit ? 1 : size * 0x1p-16 <= limit ? 2 : 3
  }

  /// A single piece goes through the rows of b, whose scales (all 1) then stay out of the sums.
  private func product(
    _ a: Tensor, _ b: Tensor, pieces: Int, isSymmetric: Bool = false
  ) -> Tensor {
    switch pieces {
    case 1 where isSymmetric: a.bfloat16Units.matmul(b.bfloat16Units, transposingOther: true)
    case 1, 2: a.matmul(b, precision: .splitBFloat16)
    default: a.matmul(b, precision: .tiledFloat32)
    }
  }

  private func moveExactly(_ point: inout Tensor, along direction: Tensor, by length: Double) {
    do {
      point = try CayleyTransform.moved(
        Matrix64(point), along: Matrix64(direction), by: length
      ).tensor
    } catch {
      // I − tΩ/2 has no singular value below 1, so only a point that is not finite comes here.
      point = Tensor(point.shape, repeating: .nan)
    }
  }
}

extension Tensor {
  /// x·a + y·b.
  fileprivate static func scaledSum(_ x: Double, _ a: Tensor, _ y: Double, _ b: Tensor) -> Tensor {
    a.withElements { first in
      b.withElements { second in
        Tensor.filled(a.shape) {
          gyro_scaled_sum(Float(x), first, Float(y), second, Int64(a.count), $0)
        }
      }
    }
  }

  /// The elements rounded to bfloat16, in the form of which products are taken without pieces.
  fileprivate var bfloat16Units: Tensor {
    let units = UnitGrid(uninitializedRows: shape.rows, columns: shape.columns)
    withElements {
      gyro_convert_from_float($0, Int64(count), gyro_bfloat16, units.unitPointer)
    }
    units.scalePointer.update(repeating: 1, count: units.rows)
    return Tensor(shape, decoding: units)
  }
}
