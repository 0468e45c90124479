import GyroManifolds
import GyroTensors

/// The random matrices of the Johnson–Lindenstrauss study.
enum ProjectionKind: String, CaseIterable {
  case bernoulli, gaussian, orthogonalized, hadamard

  /// An M × N matrix with E AᵀA = I.
  func draw(_ rows: Int, _ columns: Int, seed: UInt64, _ draw: Int) -> Matrix64 {
    var stream = RandomStream(seed: seed).derived(rawValue, draw)
    let seed = stream.next()
    let scale = 1 / Double(rows).squareRoot()
    switch self {
    case .bernoulli:
      return scale * RandomMatrix.bernoulli(rows: rows, columns: columns, seed: seed)
    case .gaussian:
      return scale * RandomMatrix.gaussian(rows: rows, columns: columns, seed: seed)
    case .orthogonalized:
      return scale * RandomMatrix.orthogonalizedRows(rows: rows, columns: columns, seed: seed)
    case .hadamard:
      return Self.hadamardRows(rows, columns, &stream)
    }
  }

  /// Blocks of rows of Hᵀ·D with signs of their own; of the last block as many as are still wanted,
  /// at random.
  private static func hadamardRows(
    _ rows: Int, _ columns: Int, _ stream: inout RandomStream
  ) -> Matrix64 {
    let scale = (Double(columns) / Double(rows)).squareRoot()
    var elements: [Double] = []
    elements.reserveCapacity(rows * columns)
    for first in stride(from: 0, to: rows, by: columns) {
      let block = RandomMatrix.randomizedHadamard(columns, seed: stream.next()).transposed()
      let chosen = stream.permutation(columns).prefix(rows - first)
      for row in chosen {
        elements += block.elements[row * columns..<(row + 1) * columns].lazy.map { scale * $0 }
      }
    }
    return Matrix64(rows: rows, columns: columns, elements: elements)
  }
}

/// Pairs of unit vectors of one cosine, otherwise random.
struct UnitPairs {
  /// `[columns, pairs]` each, a vector in a column.
  let first: Matrix64
  let second: Matrix64
  let cosine: Double

  init(_ options: JohnsonLindenstraussStudy.Options, columns: Int) {
    cosine = options.cosine
    var first = RandomMatrix.gaussian(rows: columns, columns: options.pairs, seed: options.seed)
    var second = RandomMatrix.gaussian(
      rows: columns, columns: options.pairs, seed: ~options.seed)
    let sine = (1 - cosine * cosine).squareRoot()
    for pair in 0..<options.pairs {
      Self.divide(&first, pair, by: Self.product(first, first, pair).squareRoot())
      let overlap = Self.product(first, second, pair)
      for place in 0..<columns { second[place, pair] -= overlap * first[place, pair] }
      Self.divide(&second, pair, by: Self.product(second, second, pair).squareRoot())
      for place in 0..<columns {
        second[place, pair] = cosine * first[place, pair] + sine * second[place, pair]
      }
    }
    self.first = first
    self.second = second
  }

  /// ⟨Ax, Ay⟩ − ⟨x, y⟩ of every pair.
  func errors(under matrix: Matrix64) -> [Double] {
    let a = matrix.matmul(first), b = matrix.matmul(second)
    return (0..<first.columns).map { Self.product(a, b, $0) - cosine }
  }

  /// The mean over pairs of Σ xᵢ² yᵢ².
  var squaredOverlap: Double {
    zip(first.elements, second.elements).reduce(0) { $0 + $1.0 * $1.0 * $1.1 * $1.1 }
      / Double(first.columns)
  }

  private static func product(_ a: Matrix64, _ b: Matrix64, _ column: Int) -> Double {
    (0..<a.rows).reduce(0) { $0 + a[$1, column] * b[$1, column] }
  }

  private static func divide(_ a: inout Matrix64, _ column: Int, by divisor: Double) {
    for row in 0..<a.rows { a[row, column] /= divisor }
  }
}

/// Closed forms. With r = M mod N, only the last r rows of orthogonal blocks make an error: whole
/// blocks give a multiple of the identity, r random orthonormal rows a projection.
struct ProjectionLaw {
  let kind: ProjectionKind
  let rows: Double
  let columns: Double
  /// Whether the closed forms hold: rows of a Hadamard matrix need one of the size.
  let isExact: Bool

  init(_ kind: ProjectionKind, rows: Int, columns: Int) {
    self.kind = kind
    self.rows = Double(rows)
    self.columns = Double(columns)
    switch HadamardTransform(size: columns).construction {
    case .blocks, .kronecker: isExact = kind != .hadamard
    default: isExact = true
    }
  }

  private var rest: Double { rows.truncatingRemainder(dividingBy: columns) }

  /// E mean((AᵀA − I)²).
  var orthogonalityError: Double? {
    switch kind {
    case .bernoulli: (columns - 1) / (columns * rows)
    case .gaussian: (columns + 1) / (columns * rows)
    case .orthogonalized, .hadamard: rest * (columns - rest) / (columns * rows * rows)
    }
  }

  /// Var⟨Ax, Ay⟩ for unit vectors, from the moments of the entries; for orthogonalized rows from
  /// those of a random projection, for rows drawn from a Hadamard matrix from drawing without
  /// replacement.
  func dotProductVariance(_ pairs: UnitPairs) -> Double? {
    guard isExact else { return nil }
    let normal = 1 + pairs.cosine * pairs.cosine
    let bernoulli = normal - 2 * pairs.squaredOverlap
    let share = rest * (columns - rest) / (rows * rows * (columns - 1))
    switch kind {
    case .gaussian: return normal / rows
    case .bernoulli: return bernoulli / rows
    case .hadamard: return columns == 1 ? 0 : share * bernoulli
    case .orthogonalized:
      let square = pairs.cosine * pairs.cosine
      return columns == 1 ? 0 : share * (columns + (columns - 2) * square) / (columns + 2)
    }
  }
}
