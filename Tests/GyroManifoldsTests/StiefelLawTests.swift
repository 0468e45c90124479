import GyroManifolds
import GyroTensors
import Testing

/// The laws of a manifold, for the orthogonal group, for matrices with orthonormal rows, and for plain
/// weights.
@Suite struct StiefelLawTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let manifold: any Manifold
    let rows: Int, columns: Int
    var testDescription: String { "\(manifold), \(rows)×\(columns)" }
  }

  static let cases: [Case] =
    [(12, 12), (5, 9), (3, 20), (1, 6), (1, 1)].flatMap { rows, columns in
      [Stiefel.Retraction.automatic, .exact, .lowRank, .fixedPoint(iterations: 30)].map {
        Case(manifold: Stiefel(retraction: $0), rows: rows, columns: columns)
      }
    } + [Case(manifold: Euclidean(), rows: 4, columns: 7)]

  static func random(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Matrix64 {
    var stream = RandomStream(seed: seed)
    return Matrix64(stream.normal([rows, columns]))
  }

  /// A point and two tangent vectors of norm 1.
  static func place(_ item: Case) throws -> (point: Matrix64, a: Matrix64, b: Matrix64) {
    let point = try item.manifold.projected(random(item.rows, item.columns, 1))
    let vectors = [UInt64(2), 3].map { seed in
      let vector = item.manifold.tangent(random(item.rows, item.columns, seed), at: point)
      return (1 / max(vector.frobeniusNorm, 1e-300)) * vector
    }
    return (point, vectors[0], vectors[1])
  }

  static func distance(_ a: Matrix64, _ b: Matrix64) -> Double { (a - b).frobeniusNorm }

  @Test(
    "A projected matrix is on the manifold, and projecting it again changes nothing",
    arguments: cases)
  func projection(_ item: Case) throws {
    let once = try item.manifold.projected(Self.random(item.rows, item.columns, 4))
    #expect(item.manifold.residual(once) < 1e-13)
    #expect(Self.distance(try item.manifold.projected(once), once) < 1e-13)
  }

  @Test(
    "The tangent part of a tangent vector is itself, and the rest is orthogonal to it",
    arguments: cases)
  func tangent(_ item: Case) throws {
    let (point, _, b) = try Self.place(item)
    let vector = Self.random(item.rows, item.columns, 5)
    let part = item.manifold.tangent(vector, at: point)
    #expect(Self.distance(item.manifold.tangent(part, at: point), part) < 1e-13)
    let rest = vector - part
    let inner = zip(rest.elements, b.elements).reduce(0) { $0 + $1.0 * $1.1 }
    #expect(abs(inner) < 1e-12)
  }

  @Test(
    "A retraction stays on the manifold and follows the tangent to first order", arguments: cases)
  func retraction(_ item: Case) throws {
    let (point, a, _) = try Self.place(item)
    #expect(Self.distance(try item.manifold.retracted(point, along: a, by: 0), point) < 1e-14)
    var errors: [Double] = []
    for length in [0.04, 0.02, 0.01] {
      let end = try item.manifold.retracted(point, along: a, by: length)
      #expect(item.manifold.residual(end) < 1e-13)
      errors.append(Self.distance(end, point + length * a))
    }
    for (coarse, fine) in zip(errors, errors.dropFirst()) where coarse > 1e-10 {
      #expect(abs(coarse / fine - 4) < 0.1, "slope 2 means a quarter of the error: \(errors)")
    }
  }

  @Test("Transport keeps vectors tangent, their lengths and their sums", arguments: cases)
  func transport(_ item: Case) throws {
    let (point, a, b) = try Self.place(item)
    let end = try item.manifold.retracted(point, along: a, by: 0.3)
    func carried(_ vector: Matrix64) throws -> Matrix64 {
      try item.manifold.transported(vector, from: point, along: a, by: 0.3)
    }
    let moved = try carried(b)
    #expect(Self.distance(item.manifold.tangent(moved, at: end), moved) < 1e-12)
    #expect(abs(moved.frobeniusNorm - b.frobeniusNorm) < 1e-12)
    #expect(Self.distance(try carried(a + 2 * b), try carried(a) + 2 * moved) < 1e-12)
  }

  @Test("Forms on tensors are those on matrices, rounded; a stack is its matrices")
  func tensors() throws {
    let manifold = Stiefel()
    var stream = RandomStream(seed: 7)
    let matrices = stream.normal([3, 4, 6])
    let points = try manifold.projected(matrices)
    #expect(manifold.residual(points) < 1e-6)
    let vectors = manifold.tangent(stream.normal([3, 4, 6]), at: points)
    let ends = try manifold.retracted(points, along: vectors, by: 0.1)
    let moved = try manifold.transported(vectors, from: points, along: vectors, by: 0.1)
    for place in 0..<3 {
      func part(_ tensor: Tensor) -> Matrix64 {
        Matrix64(tensor.sliced(axis: 0, place..<place + 1).reshaped([4, 6]))
      }
      let point = part(points)
      #expect(
        Self.distance(try manifold.projected(part(matrices)), point) < 1e-6)
      #expect(
        Self.distance(
          try manifold.retracted(point, along: part(vectors), by: 0.1), part(ends)) < 1e-6)
      #expect(
        Self.distance(
          try manifold.transported(part(vectors), from: point, along: part(vectors), by: 0.1),
          part(moved)) < 1e-6)
    }
  }
}
