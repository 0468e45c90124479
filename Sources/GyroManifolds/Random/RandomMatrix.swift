public import GyroTensors

/// Random matrices, each a function of its seed: projections that keep lengths and angles on average
/// (Johnson–Lindenstrauss), and random orthogonal ones.
public enum RandomMatrix {
  /// Independent normal entries of mean 0 and variance 1. Divided by √rows it keeps scalar products
  /// on average: E⟨Ax, Ay⟩ = ⟨x, y⟩.
  public static func gaussian(rows: Int, columns: Int, seed: UInt64) -> Matrix64 {
    gaussian(rows, columns, stream("gaussian", rows, columns, seed))
  }

  private static func gaussian(_ rows: Int, _ columns: Int, _ stream: RandomStream) -> Matrix64 {
    var stream = stream
    return Matrix64(stream.normal([rows, columns]))
  }

  /// Independent entries ±1 with equal chances. Divided by √rows its columns have length 1 exactly.
  public static func bernoulli(rows: Int, columns: Int, seed: UInt64) -> Matrix64 {
    var stream = stream("bernoulli", rows, columns, seed)
    var result = Matrix64(rows: rows, columns: columns)
    var bits: UInt64 = 0
    for place in result.elements.indices {
      if place % 64 == 0 { bits = stream.next() }
      result.elements[place] = bits & 1 == 0 ? 1 : -1
      bits >>= 1
    }
    return result
  }

  /// A matrix drawn uniformly (by Haar measure) from the orthogonal group: the Q of a normal matrix,
  /// with the signs that make its R's diagonal positive (Mezzadri, math-ph/0609050).
  public static func orthogonal(_ n: Int, seed: UInt64) -> Matrix64 {
    precondition(n >= 1, "RandomMatrix.orthogonal: the size must be at least 1, not \(n)")
    return orthonormalBlock(n, n, stream("orthogonal", n, n, seed)).transposed()
  }

  /// Normal rows made orthogonal in blocks of `columns` rows, each row of length √columns as a
  /// normal row has on average: the sketch of QJL (2406.03482 §3.2). A last block may be shorter.
  public static func orthogonalizedRows(rows: Int, columns: Int, seed: UInt64) -> Matrix64 {
    let root = stream("orthogonalized rows", rows, columns, seed)
    let length = Double(columns).squareRoot()
    var elements: [Double] = []
    elements.reserveCapacity(rows * columns)
    for (block, first) in stride(from: 0, to: rows, by: max(columns, 1)).enumerated() {
      let height = min(columns, rows - first)
      let rows = orthonormalBlock(height, columns, root.derived("block", block))
      elements += rows.elements.map { length * $0 }
    }
    return Matrix64(rows: rows, columns: columns, elements: elements)
  }

  /// D·H: random signs times the Hadamard matrix of the size, orthogonal, with entries ±1/√n (or
  /// what `HadamardTransform` uses for a size that has no Hadamard matrix).
  public static func randomizedHadamard(_ n: Int, seed: UInt64) -> Matrix64 {
    HadamardTransform(size: n, signSeed: seed).matrix
  }

  /// The mean of (AᵀA − I)² over its columns² entries: 0 for orthonormal columns. A brings its own
  /// scaling: for m rows of unit-variance entries divide by √m first.
  ///
  /// Over matrices of m rows and n columns with independent entries of variance 1/m its mean is
  /// (n − 1)/(n·m) for ±1/√m and (n + 1)/(n·m) for normal entries.
  public static func orthogonalityError(_ a: Matrix64) -> Double {
    let n = a.columns
    precondition(n >= 1, "RandomMatrix.orthogonalityError: \(a.rows)×\(n) has no columns")
    let gram = a.matmul(a, transposingSelf: true)
    var sum = 0.0
    for row in 0..<n {
      for column in 0..<n {
        let excess = gram.elements[row * n + column] - (row == column ? 1 : 0)
        sum += excess * excess
      }
    }
    return sum / Double(n * n)
  }

  /// The rows of a matrix made orthonormal, from the first to the last (Householder QR): each row
  /// is what the rows above leave of it, at length 1.
  ///
  /// - Throws: `RandomMatrixError.rankDeficient` when a row depends on those above it,
  ///   `.notFinite` for NaN or infinity.
  public static func orthonormalizedRows(
    of matrix: Matrix64
  ) throws(RandomMatrixError) -> Matrix64 {
    let (rows, columns) = (matrix.rows, matrix.columns)
    guard rows <= columns else {
      throw .rankDeficient(row: columns, rows: rows, columns: columns)
    }
    guard let (q, r) = try? matrix.transposed().qr(positiveDiagonal: true) else {
      throw .notFinite
    }
    for row in 0..<rows {
      var length = 0.0
      for place in 0...row { length += r[place, row] * r[place, row] }
      // What is left of the row, against its length.
      if !(r[row, row] > 64 * Double(columns) * .ulpOfOne * length.squareRoot()) {
        throw .rankDeficient(row: row, rows: rows, columns: columns)
      }
    }
    return q.transposed()
  }

  /// Orthonormal rows of a normal matrix; the next draw replaces one that is not of full rank.
  private static func orthonormalBlock(
    _ rows: Int, _ columns: Int, _ root: RandomStream
  ) -> Matrix64 {
    for attempt in 0... {
      let drawn = gaussian(rows, columns, root.derived("attempt", attempt))
      if let result = try? orthonormalizedRows(of: drawn) { return result }
    }
    preconditionFailure("unreachable: normal matrices have full rank almost surely")
  }

  private static func stream(
    _ label: String, _ rows: Int, _ columns: Int, _ seed: UInt64
  ) -> RandomStream {
    precondition(
      rows >= 0 && columns >= 0, "RandomMatrix: there is no matrix of \(rows)×\(columns)")
    return RandomStream(seed: seed).derived(label)
  }
}
