import GyroTensors
import TestSupport
import Testing

@Suite("Products of a matrix with itself")
struct GramTests {
  /// Rows, columns: whole panels, ragged edges, several blocks and passes, fewer than a tile.
  static let shapes = [(640, 64), (1030, 100), (40, 321), (513, 545), (64, 7), (8, 40)]

  @Test("the lower triangle has the bits of the whole product", arguments: shapes)
  func lower(rows: Int, columns: Int) {
    var random = RandomStream(seed: UInt64(rows * columns))
    let x = random.normal([rows, columns])
    for precision in [MatmulPrecision.tiledFloat32, .splitBFloat16] {
      expectSameTriangle(
        x.lowerGram(precision: precision),
        x.matmul(x, transposingSelf: true, precision: precision), "\(precision)")
    }
  }

  @Test("Float32 products agree with the whole product", arguments: shapes)
  func float(rows: Int, columns: Int) {
    var random = RandomStream(seed: UInt64(rows + columns))
    let x = random.normal([rows, columns])
    let (lower, whole) = (x.lowerGram(), x.matmul(x, transposingSelf: true))
    for row in 0..<columns {
      for column in 0...row {
        let difference = abs(lower[row, column] - whole[row, column])
        guard difference > 1e-5 * Float(rows) else { continue }
        Issue.record("[\(row), \(column)]: \(difference)")
        return
      }
    }
  }

  @Test("codes and units multiply as they do in the whole product", arguments: shapes)
  func encoded(rows: Int, columns: Int) {
    var random = RandomStream(seed: UInt64(rows))
    for x in [randomCodes([rows, columns], &random), randomUnits([rows, columns], &random)] {
      for precision in MatmulPrecision.allCases {
        expectSameTriangle(
          x.lowerGram(precision: precision),
          x.matmul(x, transposingSelf: true, precision: precision), "\(precision)")
      }
    }
  }

  private func expectSameTriangle(_ a: Tensor, _ b: Tensor, _ name: String) {
    let size = a.shape[0]
    for row in 0..<size {
      for column in 0...row {
        let (x, y) = (a[row, column], b[row, column])
        if x.bitPattern == y.bitPattern { continue }
        Issue.record("\(name) [\(row), \(column)]: \(x) is not \(y)")
        return
      }
    }
  }
}
