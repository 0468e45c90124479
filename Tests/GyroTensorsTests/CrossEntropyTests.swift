import Glibc
import GyroTensors
import TestSupport
import Testing

@Suite struct CrossEntropyTests {
  static func plainRows(_ logits: Tensor, _ targets: [Int32]) -> [Double] {
    let elements = logits.elements
    let columns = logits.shape.columns
    return targets.enumerated().map { row, target in
      let cells = elements[row * columns..<(row + 1) * columns].map(Double.init)
      let top = cells.max()!
      return top + log(cells.reduce(0) { $0 + exp($1 - top) }) - cells[Int(target)]
    }
  }

  @Test(arguments: [(1, 1), (3, 2), (5, 17), (40, 300), (3, 9000)])
  func rowsEqualTheDoublePrecisionFormula(_ rows: Int, _ columns: Int) {
    var stream = RandomStream(seed: 1)
    let logits = stream.normal([rows, columns], standardDeviation: 4)
    let targets = (0..<rows).map { _ in Int32(stream.integer(below: columns)) }
    let expected = Self.plainRows(logits, targets)
    expectClose(
      logits.crossEntropyPerRow(targets: targets), expected.map { Float($0) }, relative: 1e-6,
      absolute: 2e-6)
    let (sum, counted) = logits.negativeLogLikelihood(targets: targets)
    #expect(abs(sum - expected.reduce(0, +)) <= 1e-5 * Double(rows))
    #expect(counted == rows)
  }

  @Test func hugeLogitsNeitherOverflowNorVanish() {
    let logits = Tensor([2, 3], elements: [1e30, 0, -1e30, -500, -501, -502])
    let losses = logits.crossEntropyPerRow(targets: [0, 2])
    #expect(losses[0] == 0)
    #expect(abs(losses[1] - 2.407_606) < 1e-5)
  }

  @Test func ignoredRowsDoNotCount() {
    let logits = Tensor([3, 2], elements: [0, 0, 5, 1, 0, 0])
    let (sum, rows) = logits.negativeLogLikelihood(targets: [0, -100, 1], ignoring: -100)
    #expect(rows == 2)
    #expect(abs(sum - 2 * log(2.0)) < 1e-6)
    #expect(logits.crossEntropyPerRow(targets: [0, -100, 1], ignoring: -100)[1] == 0)
  }

  @Test(arguments: [1, 2, 15, 16, 17, 100, 5000])
  func softmaxRowsAreTheFormulaAndSumToOne(_ columns: Int) {
    var stream = RandomStream(seed: 2)
    let x = stream.normal([3, columns], standardDeviation: 3)
    let y = x.softmax()
    let sums = y.sum(axes: [1]).elements
    expectClose(sums, [1, 1, 1], absolute: 3e-6)
    var expected: [Float] = []
    for row in 0..<3 {
      let cells = x.elements[row * columns..<(row + 1) * columns].map(Double.init)
      let total = cells.reduce(0) { $0 + exp($1) }
      expected += cells.map { Float(exp($0) / total) }
    }
    expectClose(y.elements, expected, relative: 4e-6, absolute: 1e-12)
    let lse = x.logSumExp(scaledBy: 0.5).elements
    for row in 0..<3 {
      let cells = x.elements[row * columns..<(row + 1) * columns].map { Double($0) / 2 }
      #expect(abs(Double(lse[row]) - log(cells.reduce(0) { $0 + exp($1) })) < 2e-6)
    }
  }
}
