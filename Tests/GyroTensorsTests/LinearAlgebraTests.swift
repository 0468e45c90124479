import GyroTensors
import TestSupport
import Testing

@Suite struct LinearAlgebraTests {
  private func random(_ rows: Int, _ columns: Int, seed: UInt64 = 1) -> Matrix64 {
    var stream = RandomStream(seed: seed)
    return Matrix64(stream.normal([rows, columns]))
  }

  /// A symmetric positive definite matrix.
  private func definite(_ size: Int) -> Matrix64 {
    let a = random(size, size + 3)
    return a.matmul(a, transposingOther: true)
  }

  private func expectNear(
    _ a: Matrix64, _ b: Matrix64, _ tolerance: Double = 1e-12,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      (a - b).largestMagnitude <= tolerance * max(1, b.largestMagnitude),
      sourceLocation: sourceLocation)
  }

  @Test(arguments: [(5, 3), (3, 5), (4, 4), (1, 1), (17, 9), (64, 64)])
  func `q is orthonormal, r is triangular, and q r is the matrix`(_ m: Int, _ n: Int) throws {
    let a = random(m, n)
    for full in [false, true] {
      let (q, r) = try a.qr(full: full, positiveDiagonal: true)
      #expect(q.columns == (full ? m : min(m, n)) && r.columns == n && r.rows == q.columns)
      expectNear(q.matmul(r), a)
      expectNear(q.matmul(q, transposingSelf: true), .identity(q.columns))
      for i in 0..<r.rows {
        for j in 0..<min(i, n) { #expect(r[i, j] == 0) }
        if i < n { #expect(r[i, i] > 0) }
      }
      let (tensorQ, tensorR) = try a.tensor.qr(full: full)
      expectClose(tensorQ.matmul(tensorR), a.tensor, absolute: 1e-5)
    }
  }

  @Test(arguments: [(5, 3), (3, 5), (4, 4), (1, 6), (40, 33)])
  func `the singular value decomposition multiplies back`(_ m: Int, _ n: Int) throws {
    let a = random(m, n)
    let thin = try a.singularValueDecomposition()
    var scaled = thin.u
    for row in 0..<m { for k in thin.values.indices { scaled[row, k] *= thin.values[k] } }
    expectNear(scaled.matmul(thin.vTransposed), a)
    #expect(thin.values == thin.values.sorted(by: >) && thin.values.allSatisfy { $0 >= 0 })
    let full = try a.singularValueDecomposition(full: true)
    expectNear(full.u.matmul(full.u, transposingSelf: true), .identity(m))
    expectNear(full.vTransposed.matmul(full.vTransposed, transposingOther: true), .identity(n))
    let float = try a.tensor.singularValueDecomposition()
    expectClose(float.values, thin.values.map(Float.init), relative: 1e-4, absolute: 1e-5)
  }

  @Test func `singular values of a known matrix`() throws {
    let a = Matrix64(rows: 2, columns: 2, elements: [3, 0, 4, 5])
    let values = try a.singularValueDecomposition().values
    #expect(abs(values[0] - 45.0.squareRoot()) < 1e-13 && abs(values[1] - 5.0.squareRoot()) < 1e-13)
  }

  @Test(arguments: [1, 2, 5, 33])
  func `cholesky factors multiply back`(_ n: Int) throws {
    let a = definite(n)
    let lower = try a.cholesky(), upper = try a.cholesky(.upper)
    expectNear(lower.matmul(lower, transposingOther: true), a)
    expectNear(upper.matmul(upper, transposingSelf: true), a)
    expectNear(upper, lower.transposed())
    let inverse = try a.positiveDefiniteInverse()
    expectNear(inverse.matmul(a), .identity(n), 1e-8)
    #expect(inverse == inverse.transposed())
    let float = try a.tensor.cholesky()
    expectClose(float, lower.tensor, relative: 1e-3, absolute: 1e-3)
  }

  @Test func `cholesky of a known matrix`() throws {
    let a = Tensor([3, 3], elements: [4, 12, -16, 12, 37, -43, -16, -43, 98])
    #expect(try a.cholesky().elements == [2, 0, 0, 6, 1, 0, -8, 5, 3])
  }

  @Test func `solutions solve`() throws {
    let a = random(9, 9), b = random(9, 4, seed: 2)
    expectNear(a.matmul(try a.solved(for: b)), b, 1e-10)
    expectNear(a.matmul(try a.inverse()), .identity(9), 1e-10)
    let float = try a.tensor.solved(for: b.tensor)
    expectClose(a.tensor.matmul(float), b.tensor, absolute: 1e-3)
    let known = Tensor([2, 2], elements: [2, 1, 1, 3])
    let right = Tensor([2, 1], elements: [3, 5])
    expectClose(try known.solved(for: right), Tensor([2, 1], elements: [0.8, 1.4]))
  }

  @Test func `triangular solutions use one triangle only`() throws {
    let a = definite(6) + 6 * Matrix64.identity(6), b = random(6, 3, seed: 4)
    for triangle in [Triangle.lower, .upper] {
      for unit in [false, true] {
        var t = a
        for i in 0..<6 {
          for j in 0..<6 where triangle == .lower ? j > i : j < i { t[i, j] = 0 }
          if unit { t[i, i] = 1 }
        }
        let x = try a.solvedTriangular(for: b, triangle, unitDiagonal: unit)
        expectNear(t.matmul(x), b, 1e-8)
        let y = try a.solvedTriangular(for: b, triangle, transposed: true, unitDiagonal: unit)
        expectNear(t.matmul(y, transposingSelf: true), b, 1e-8)
      }
    }
  }

  @Test(arguments: [1, 2, 7, 40])
  func `eigenvectors are orthonormal and stay in their direction`(_ n: Int) throws {
    let a = random(n, n), symmetric = a + a.transposed()
    let (values, vectors) = try symmetric.symmetricEigen()
    #expect(values == values.sorted())
    expectNear(vectors.matmul(vectors, transposingSelf: true), .identity(n))
    var scaled = vectors
    for i in 0..<n { for k in 0..<n { scaled[i, k] *= values[k] } }
    expectNear(symmetric.matmul(vectors), scaled)
    let float = try symmetric.tensor.symmetricEigen().values
    expectClose(float, values.map(Float.init), relative: 1e-4, absolute: 1e-4)
  }

  @Test func `eigenvalues of a known matrix`() throws {
    let (values, _) = try Tensor([2, 2], elements: [2, 1, 1, 2]).symmetricEigen()
    expectClose(values, [1, 3])
  }

  @Test func `failures say what is wrong`() {
    let indefinite = Matrix64(rows: 3, columns: 3, elements: [1, 0, 0, 0, -1, 0, 0, 0, 1])
    #expect(throws: LinearAlgebraError.notPositiveDefinite(leadingMinor: 2)) {
      try indefinite.cholesky()
    }
    #expect(throws: LinearAlgebraError.notPositiveDefinite(leadingMinor: 2)) {
      try indefinite.tensor.positiveDefiniteInverse()
    }
    let singular = Matrix64(rows: 2, columns: 2, elements: [1, 2, 2, 4])
    #expect(throws: LinearAlgebraError.singular(operation: "solve", pivot: 1)) {
      try singular.inverse()
    }
    let holed = Matrix64(rows: 2, columns: 2, elements: [1, 0, 0, 0])
    #expect(throws: LinearAlgebraError.singular(operation: "triangular solve", pivot: 1)) {
      try holed.solvedTriangular(for: .identity(2), .upper)
    }
    let broken = Tensor([2, 2], elements: [1, 2, .nan, 4])
    let expected = { LinearAlgebraError.notFinite(operation: $0, row: 1, column: 0) }
    #expect(throws: expected("qr")) { try broken.qr() }
    #expect(throws: expected("cholesky")) { try broken.cholesky() }
    #expect(throws: expected("symmetric eigenvalues")) { try broken.symmetricEigen() }
    #expect(throws: expected("singular value decomposition")) {
      try broken.singularValueDecomposition()
    }
  }

  @Test func `messages say what to try`() {
    #expect(
      LinearAlgebraError.notPositiveDefinite(leadingMinor: 3).description
        == "cholesky: the matrix is not positive definite (its leading minor of order 3 is not "
        + "positive); try adding a small multiple of the mean diagonal to the diagonal, for "
        + "example 0.01 of it")
    #expect(
      LinearAlgebraError.singular(operation: "solve", pivot: 1).description
        == "solve: the matrix is singular (pivot 1 is zero); try adding a small multiple of the "
        + "identity, or use the singular value decomposition for a least-squares solution")
    #expect(
      LinearAlgebraError.notFinite(operation: "qr", row: 1, column: 0).description
        == "qr: the element in row 1, column 0 is not finite; look for what made it so (a "
        + "learning rate too high, a division by zero) before factoring")
    #expect(
      LinearAlgebraError.didNotConverge(operation: "symmetric eigenvalues").description
        == "symmetric eigenvalues: the iteration did not converge; try scaling the matrix so that "
        + "its largest element is near 1, or Float64 (Matrix64)")
  }

  @Test func `matrices multiply with either factor transposed`() {
    let a = random(3, 4), b = random(4, 5, seed: 2)
    let product = a.matmul(b)
    for i in 0..<3 {
      for j in 0..<5 {
        let sum = (0..<4).reduce(0.0) { $0 + a[i, $1] * b[$1, j] }
        #expect(abs(product[i, j] - sum) < 1e-14)
      }
    }
    expectNear(a.transposed().matmul(b, transposingSelf: true), product)
    expectNear(a.matmul(b.transposed(), transposingOther: true), product)
    #expect(Matrix64(product.tensor).tensor.elements == product.tensor.elements)
  }
}
