import GyroManifolds
import GyroTensors
import Testing

/// Mean and standard error of a figure over many seeds.
private func figure(_ draws: Int, _ body: (UInt64) -> Double) -> (mean: Double, error: Double) {
  let values = (0..<draws).map { body(UInt64($0)) }
  let mean = values.reduce(0, +) / Double(draws)
  let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws - 1)
  return (mean, (variance / Double(draws)).squareRoot())
}

private func residual(ofRows matrix: Matrix64, length: Double = 1) -> Double {
  let gram = matrix.matmul(matrix, transposingOther: true)
  return (gram - length * length * .identity(matrix.rows)).largestMagnitude
}

@Suite struct RandomMatrixTests {
  /// Independent entries of variance 1/M: the expected error is (N − 1)/(N·M) for ±1 and
  /// (N + 1)/(N·M) for normal ones.
  @Test(arguments: [(64, 64), (256, 64), (32, 16), (16, 48)])
  func orthogonalityErrorsFollowTheClosedForm(rows: Int, columns: Int) {
    let (m, n) = (Double(rows), Double(columns)), scale = 1 / Double(rows).squareRoot()
    let bernoulli = figure(60) {
      RandomMatrix.orthogonalityError(
        scale * RandomMatrix.bernoulli(rows: rows, columns: columns, seed: $0))
    }
    #expect(abs(bernoulli.mean - (n - 1) / (n * m)) < 3 * bernoulli.error)
    let gaussian = figure(60) {
      RandomMatrix.orthogonalityError(
        scale * RandomMatrix.gaussian(rows: rows, columns: columns, seed: $0))
    }
    #expect(abs(gaussian.mean - (n + 1) / (n * m)) < 3 * gaussian.error)
  }

  @Test func orthogonalMatricesAreOrthonormal() {
    for n in [1, 2, 17, 128] {
      let matrix = RandomMatrix.orthogonal(n, seed: 3)
      #expect(residual(ofRows: matrix) <= 1e-12 && residual(ofRows: matrix.transposed()) <= 1e-12)
      #expect(RandomMatrix.orthogonalityError(matrix) <= 1e-13)
      #expect(residual(ofRows: RandomMatrix.randomizedHadamard(n, seed: 3)) <= 1e-12)
    }
  }

  /// Over the orthogonal group an entry has mean 0, variance 1/n and fourth moment 3/(n(n + 2)): a QR
  /// factorization without its signs set right fails this in the first column.
  @Test func orthogonalMatricesAreUniform() {
    let n = 6, draws = 3000
    let matrices = (0..<draws).map { RandomMatrix.orthogonal(n, seed: UInt64($0)) }
    for place in [(0, 0), (0, 5), (3, 3), (5, 0), (5, 5)] {
      let values = matrices.map { $0[place.0, place.1] }
      func mean(_ power: (Double) -> Double) -> Double {
        values.reduce(0) { $0 + power($1) } / Double(draws)
      }
      #expect(abs(mean { $0 }) < 4 * (1 / Double(n * draws)).squareRoot())
      #expect(abs(mean { $0 * $0 } * 6 - 1) < 4 * (1.25 / Double(draws)).squareRoot())
      #expect(abs(mean { $0 * $0 * $0 * $0 } * 16 - 1) < 0.25)
    }
  }

  @Test(arguments: [(8, 8), (24, 8), (5, 8), (19, 8)])
  func orthogonalizedRowsComeInBlocks(rows: Int, columns: Int) {
    let matrix = RandomMatrix.orthogonalizedRows(rows: rows, columns: columns, seed: 1)
    #expect(matrix.rows == rows && matrix.columns == columns)
    for first in stride(from: 0, to: rows, by: columns) {
      let height = min(columns, rows - first)
      let block = Matrix64(
        rows: height, columns: columns,
        elements: Array(matrix.elements[first * columns..<(first + height) * columns]))
      #expect(residual(ofRows: block, length: Double(columns).squareRoot()) <= 1e-12)
    }
    // Full blocks add up to a multiple of the identity, the rest to a projection.
    let (r, n, m) = (Double(rows % columns), Double(columns), Double(rows))
    let error = RandomMatrix.orthogonalityError((1 / m.squareRoot()) * matrix)
    #expect(abs(error - r * (n - r) / (n * m * m)) <= 1e-13)
  }

  @Test func matricesFollowFromTheirSeeds() {
    let kinds: [(UInt64) -> Matrix64] = [
      { RandomMatrix.gaussian(rows: 9, columns: 8, seed: $0) },
      { RandomMatrix.bernoulli(rows: 9, columns: 8, seed: $0) },
      { RandomMatrix.orthogonal(8, seed: $0) },
      { RandomMatrix.orthogonalizedRows(rows: 9, columns: 8, seed: $0) },
      { RandomMatrix.randomizedHadamard(8, seed: $0) },
    ]
    for kind in kinds {
      #expect(kind(1) == kind(1))
      #expect(kind(1) != kind(2))
    }
    let all = Set(RandomMatrix.bernoulli(rows: 9, columns: 8, seed: 1).elements)
    #expect(all == [1, -1])
  }

  @Test func dependentRowsAreRefused() throws {
    var matrix = RandomMatrix.gaussian(rows: 4, columns: 6, seed: 1)
    for column in 0..<6 { matrix[2, column] = matrix[0, column] - 2 * matrix[1, column] }
    let expected = RandomMatrixError.rankDeficient(row: 2, rows: 4, columns: 6)
    #expect(throws: expected) { try RandomMatrix.orthonormalizedRows(of: matrix) }
    #expect(
      expected.description
        == "orthonormal rows of a 4×6 matrix: row 2 depends on the rows above it; leave it out, or "
        + "draw another seed")
    #expect(throws: RandomMatrixError.rankDeficient(row: 3, rows: 4, columns: 3)) {
      try RandomMatrix.orthonormalizedRows(of: RandomMatrix.gaussian(rows: 4, columns: 3, seed: 1))
    }
    matrix[1, 1] = .nan
    #expect(throws: RandomMatrixError.notFinite) {
      try RandomMatrix.orthonormalizedRows(of: matrix)
    }
  }

  /// The first row keeps its direction, and rows keep the span of those above them.
  @Test func rowsKeepTheirOrder() throws {
    let matrix = RandomMatrix.gaussian(rows: 3, columns: 5, seed: 7)
    let rows = try RandomMatrix.orthonormalizedRows(of: matrix)
    #expect(residual(ofRows: rows) <= 1e-12)
    let triangle = matrix.matmul(rows, transposingOther: true)
    for row in 0..<3 {
      #expect(triangle[row, row] > 0)
      for column in row + 1..<max(3, row + 1) { #expect(abs(triangle[row, column]) <= 1e-12) }
    }
  }
}
