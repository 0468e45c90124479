import GyroTensors
import Testing

@testable import GyroManifolds

/// The largest entry of M·Mᵀ − I.
private func orthogonalityResidual(_ matrix: Matrix64) -> Double {
  (matrix.matmul(matrix, transposingOther: true) - .identity(matrix.rows)).largestMagnitude
}

@Suite struct HadamardMatrixTests {
  /// Every order that Paley's or Williamson's constructions give up to 300: entries ±1, and
  /// H·Hᵀ = m·I in whole numbers.
  @Test func coresAreHadamardMatrices() {
    var reached: [Int] = []
    for order in stride(from: 4, through: 300, by: 4) {
      guard let core = HadamardCore(order: order) else { continue }
      reached.append(order)
      #expect(core.entries.count == order * order && core.entries.allSatisfy { abs($0) == 1 })
      let matrix = Matrix64(rows: order, columns: order, elements: core.entries.map(Double.init))
      let gram = matrix.matmul(matrix, transposingOther: true)
      #expect(gram == Double(order) * .identity(order), "order \(order)")
    }
    let needed = [
      12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 92, 100, 108, 116, 124, 132, 140, 148, 164, 172, 180,
    ]
    #expect(needed.filter { !reached.contains($0) } == [])
    #expect(HadamardCore(order: 188) == nil && HadamardCore(order: 6) == nil)
  }

  @Test func coresOfEveryOriginExist() {
    #expect(HadamardCore.origin(of: 12) == .paleyOne)
    #expect(HadamardCore.origin(of: 28) == .paleyOne, "27 = 3³")
    #expect(HadamardCore.origin(of: 36) == .paleyTwo)
    #expect(HadamardCore.origin(of: 52) == .paleyTwo, "25 = 5²")
    #expect(HadamardCore.origin(of: 172) == .williamson)
    #expect(HadamardCore.origin(of: 344) == .paleyOne, "343 = 7³")
  }

  @Test func finiteFieldsHaveAsManySquaresAsOthers() {
    for order in [3, 5, 7, 9, 25, 27, 49, 81, 121, 125, 243, 343] {
      let field = FiniteField(order: order)
      let character = field?.quadraticCharacter ?? []
      #expect(character.count == order && character.first == 0, "\(order)")
      #expect(character.reduce(0) { $0 + Int($1) } == 0)
      // −1 is a square exactly when the order is 1 modulo 4.
      let minusOne = field?.difference(0, 1) ?? 0
      #expect(character[minusOne] == (order % 4 == 1 ? 1 : -1), "\(order)")
    }
    #expect(FiniteField(order: 15) == nil && FiniteField(order: 1) == nil)
  }

  /// Whatever the size is made of, with and without signs.
  @Test(arguments: [1, 2, 3, 5, 6, 8, 12, 20, 44, 64, 97, 116, 144, 240, 336, 416, 344, 376, 512])
  func theMatrixIsOrthogonal(size: Int) {
    for seed in [nil, UInt64(size)] {
      let transform = HadamardTransform(size: size, signSeed: seed)
      let matrix = transform.matrix
      #expect(matrix.rows == size && matrix.columns == size)
      #expect(orthogonalityResidual(matrix) <= 1e-12)
      let bound = (2 / Double(size)).squareRoot() + 1e-12
      if case .blocks = transform.construction { continue }
      #expect(matrix.largestMagnitude <= bound)
    }
  }

  @Test func sizesOfLanguageModelsHaveTheBestKnownConstruction() {
    let expected: [(Int, HadamardTransform.Construction)] = [
      (64, .sylvester), (2048, .sylvester), (688, .williamson(core: 172)),
      (1376, .williamson(core: 172)), (4864, .paley(core: 76)), (5632, .paley(core: 44)),
      (8960, .product(cores: [20, 28])), (11008, .williamson(core: 172)), (13696, .blocks(of: 128)),
      (13824, .product(cores: [12, 36])), (14336, .paley(core: 28)), (18944, .paley(core: 148)),
      (28672, .paley(core: 28)), (29568, .product(cores: [12, 28, 44])), (80, .paley(core: 20)),
      (96, .paley(core: 12)), (3, .kronecker(1, 3)), (50, .kronecker(2, 25)),
    ]
    for (size, construction) in expected {
      #expect(HadamardTransform(size: size).construction == construction, "\(size)")
    }
  }

  @Test func theDescriptionSaysWhatIsUsedAndWhy() throws {
    func text(_ size: Int) -> String { HadamardTransform(size: size).description }
    #expect(text(4096) == "Hadamard 4096 (Sylvester)")
    #expect(text(116) == "Hadamard 116 (Williamson)")
    #expect(text(11008) == "Hadamard 11008 = 64 · 172 (Williamson)")
    #expect(text(29568) == "Hadamard 29568 = 2 · 12 · 28 · 44")
    #expect(
      text(13696)
        == "13696 = 107 blocks of Hadamard 128: no Hadamard matrix of size 107 · 2^k that divides "
        + "13696 is known here")
    #expect(
      text(50)
        == "50 = Hadamard 2 times Hartley 25: the size of a Hadamard matrix is 1, 2 or a multiple "
        + "of 4")
    #expect(
      try HadamardTransform(size: 64, blocks: 4, signSeed: 7).description
        == "64 = 4 blocks of Hadamard 16, random signs (seed 7)")
  }

  @Test func blocksLieOnTheDiagonal() throws {
    let transform = try HadamardTransform(size: 24, blocks: 2)
    #expect(transform.construction == .blocks(of: 12))
    let matrix = transform.matrix, block = HadamardTransform(size: 12).matrix
    for row in 0..<24 {
      for column in 0..<24 {
        let expected = row / 12 == column / 12 ? block[row % 12, column % 12] : 0
        #expect(matrix[row, column] == expected)
      }
    }
    #expect(try HadamardTransform(size: 24, blocks: 1) == HadamardTransform(size: 24))
  }

  @Test func blocksThatDoNotDivideAreRefused() {
    #expect(throws: HadamardError.blocks(size: 24, blocks: 5)) {
      try HadamardTransform(size: 24, blocks: 5)
    }
    #expect(
      HadamardError.blocks(size: 24, blocks: 5).description
        == "Hadamard transform: 5 blocks do not divide 24 evenly; try 4 or 6")
    #expect(throws: HadamardError.blocks(size: 24, blocks: 0)) {
      try HadamardTransform(size: 24, blocks: 0)
    }
  }

  @Test func signsFollowFromTheSeed() {
    let plain = HadamardTransform(size: 64).matrix
    let one = HadamardTransform(size: 64, signSeed: 1)
    #expect(one.matrix == HadamardTransform(size: 64, signSeed: 1).matrix)
    #expect(one.matrix != HadamardTransform(size: 64, signSeed: 2).matrix)
    #expect(one != HadamardTransform(size: 64, signSeed: 2))
    // D · H: every row is that of H, or its negative.
    for row in 0..<64 {
      let sign = one.matrix[row, 0] / plain[row, 0]
      #expect(abs(sign) == 1)
      #expect((0..<64).allSatisfy { one.matrix[row, $0] == sign * plain[row, $0] })
    }
  }
}
