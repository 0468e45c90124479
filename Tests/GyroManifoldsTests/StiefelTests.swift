import GyroManifolds
import GyroTensors
import Testing

/// What distinguishes the retractions and projections of Stiefel manifolds.
@Suite struct StiefelTests {
  static func point(_ rows: Int, _ columns: Int, seed: UInt64 = 1) throws -> Matrix64 {
    try Stiefel().projected(StiefelLawTests.random(rows, columns, seed))
  }

  @Test("The exact retraction keeps orthogonality to 1e-13, however long the step")
  func exact() throws {
    let manifold = Stiefel(retraction: .exact)
    for (rows, columns) in [(16, 16), (6, 15)] {
      let point = try Self.point(rows, columns)
      let tangent = manifold.tangent(StiefelLawTests.random(rows, columns, 2), at: point)
      for length in [1e-3, 0.1, 1, 30] {
        let end = try manifold.retracted(point, along: tangent, by: length)
        #expect(manifold.residual(end) < 1e-13)
      }
    }
  }

  @Test("The low-rank form equals the exact one", arguments: [(2, 30), (5, 9), (6, 6), (1, 2)])
  func lowRank(_ rows: Int, _ columns: Int) throws {
    let point = try Self.point(rows, columns)
    let tangent = Stiefel().tangent(StiefelLawTests.random(rows, columns, 2), at: point)
    for length in [0.1, 1.5] {
      let low = try Stiefel(retraction: .lowRank).retracted(point, along: tangent, by: length)
      let exact = try Stiefel(retraction: .exact).retracted(point, along: tangent, by: length)
      #expect((low - exact).largestMagnitude < 1e-13)
    }
  }

  @Test("Fixed-point steps converge to the exact retraction by t·‖Ω‖/2 a step")
  func fixedPoint() throws {
    let point = try Self.point(10, 10)
    var tangent = Stiefel().tangent(StiefelLawTests.random(10, 10, 2), at: point)
    tangent = (1 / tangent.singularValueNorm) * tangent
    let exact = try Stiefel(retraction: .exact).retracted(point, along: tangent, by: 0.5)
    var last = Double.infinity
    for iterations in [1, 2, 3, 5, 8] {
      let found = try Stiefel(retraction: .fixedPoint(iterations: iterations))
        .retracted(point, along: tangent, by: 0.5)
      let error = (found - exact).frobeniusNorm
      #expect(error < 10 * StiefelTests.power(0.25, iterations + 1) && error < last)
      last = error
    }
  }

  static func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { result, _ in result * base }
  }

  @Test("A direction is skew-symmetric and gives the tangent back")
  func direction() throws {
    for (rows, columns) in [(7, 7), (3, 8)] {
      let point = try Self.point(rows, columns)
      let tangent = Stiefel().tangent(StiefelLawTests.random(rows, columns, 2), at: point)
      let direction = Stiefel().direction(of: tangent, at: point)
      #expect((direction + direction.transposed()).largestMagnitude == 0)
      #expect((point.matmul(direction) - tangent).largestMagnitude < 1e-13)
      #expect((tangent.matmul(point, transposingOther: true)).symmetricPart < 1e-13)
      let rotated = try Stiefel().rotated(point, along: direction, by: 0.2)
      let retracted = try Stiefel().retracted(point, along: tangent, by: 0.2)
      #expect((rotated - retracted).largestMagnitude < 1e-13)
    }
  }

  @Test("A transported multiple of the direction is the direction seen from the end")
  func carriedDirection() throws {
    for (rows, columns) in [(7, 7), (3, 8)] {
      let point = try Self.point(rows, columns)
      let tangent = Stiefel().tangent(StiefelLawTests.random(rows, columns, 2), at: point)
      let direction = Stiefel().direction(of: tangent, at: point)
      let end = try Stiefel().retracted(point, along: tangent, by: 0.2)
      let carried = try Stiefel().transported(tangent, from: point, along: tangent, by: 0.2)
      #expect((carried - end.matmul(direction)).largestMagnitude < 1e-12)
    }
  }

  // MARK: Projections

  @Test("No matrix with orthonormal rows is nearer than the polar factor")
  func nearest() throws {
    for (rows, columns, scale) in [(6, 6, 1.0), (3, 8, 1), (6, 6, 0.05)] {
      // Near the manifold (products) and far from it (singular values).
      let matrix =
        try Self.point(rows, columns, seed: 8)
        + scale * StiefelLawTests.random(rows, columns, 3)
      let best = try Stiefel().projected(matrix)
      let distance = (matrix - best).frobeniusNorm
      for seed in 0..<20 {
        let other = try Stiefel().retracted(
          best,
          along: Stiefel().tangent(
            StiefelLawTests.random(rows, columns, UInt64(seed) + 50), at: best),
          by: [1e-3, 0.1, 1][seed % 3])
        #expect((matrix - other).frobeniusNorm >= distance)
      }
      let parts = try matrix.singularValueDecomposition()
      #expect((best - parts.u.matmul(parts.vTransposed)).largestMagnitude < 1e-13)
    }
  }

  @Test("Matrices with orthonormal columns have a polar factor too")
  func tall() throws {
    let matrix = StiefelLawTests.random(7, 3, 2)
    let factor = try matrix.polarFactor()
    #expect((factor.matmul(factor, transposingSelf: true) - .identity(3)).largestMagnitude < 1e-13)
    let again = try (factor + 0.01 * matrix).polarFactor().transposed()
    #expect(
      (try (factor + 0.01 * matrix).transposed().polarFactor() - again).largestMagnitude < 1e-13)
  }

  @Test("Rows are orthonormalized in order: the first keeps its direction")
  func rowByRow() throws {
    let matrix = StiefelLawTests.random(4, 6, 2)
    let result = try Stiefel().orthonormalized(matrix)
    #expect(Stiefel().residual(result) < 1e-13)
    let norm = matrix.elements[0..<6].reduce(0) { $0 + $1 * $1 }.squareRoot()
    for column in 0..<6 { #expect(abs(result[0, column] - matrix[0, column] / norm) < 1e-13) }
    #expect((try Stiefel().orthonormalized(result) - result).largestMagnitude < 1e-13)
  }

  @Test("Numbers that are not finite are refused")
  func notFinite() throws {
    var matrix = StiefelLawTests.random(3, 3, 2)
    matrix[1, 2] = .nan
    #expect(
      throws: LinearAlgebraError.notFinite(
        operation: "singular value decomposition", row: 1, column: 2)
    ) { try Stiefel().projected(matrix) }
    #expect(Stiefel().residual(matrix).isNaN)
  }

  // MARK: The report

  @Test("Both products are reported, and wide matrices have one")
  func report() throws {
    var matrix = Matrix64.identity(3)
    matrix[0, 1] = 0.5
    let report = OrthogonalityReport(of: matrix)
    #expect(report.rows == 0.5 && report.columns == 0.5 && report.largest == 0.5)
    matrix = Matrix64(rows: 2, columns: 2, elements: [1, 1, 0, 0])
    #expect(OrthogonalityReport(of: matrix) == OrthogonalityReport(of: matrix.tensor))
    #expect(OrthogonalityReport(of: matrix).rows == 1)
    let wide = OrthogonalityReport(of: try Self.point(2, 5))
    #expect(wide.columns == nil && wide.rows < 1e-14)
    #expect(
      report.description == "max|RRᵀ − I| 5.0e-1, max|RᵀR − I| 5.0e-1")
  }
}

extension Matrix64 {
  fileprivate var singularValueNorm: Double {
    ((try? singularValueDecomposition())?.values.first) ?? .nan
  }
  fileprivate var symmetricPart: Double { (0.5 * (self + transposed())).largestMagnitude }
}
