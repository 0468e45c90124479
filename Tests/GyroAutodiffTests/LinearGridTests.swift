import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@Suite("Linear layers on grids")
struct LinearGridTests {
  private func onUnits(_ shape: Shape, _ random: inout RandomStream) -> Tensor {
    let grid = UnitGrid(uninitializedRows: shape.rows, columns: shape.columns)
    for row in 0..<shape.rows { grid.scalePointer[row] = 0.01 + random.uniform() }
    for place in 0..<shape.count {
      let unit = Float(random.integer(below: 31) - 15) / 8
      grid.unitPointer[place] = UInt16(unit.bitPattern >> 16)
    }
    return Tensor(shape, decoding: grid)
  }

  private func onCodes(_ shape: Shape, _ random: inout RandomStream) -> Tensor {
    let grid = IntegerGrid(uninitializedRows: shape.rows, columns: shape.columns)
    for row in 0..<shape.rows { grid.scalePointer[row] = 0.01 * (0.1 + random.uniform()) }
    for place in 0..<shape.count {
      grid.codePointer[place] = Int8(random.integer(below: 255) - 127)
    }
    return Tensor(shape, on: grid)
  }

  @Test(
    "values and gradients equal those of the plain elements",
    arguments: [MatmulPrecision.float32, .splitBFloat16])
  func likePlain(_ precision: MatmulPrecision) {
    var random = RandomStream(seed: 1)
    let (rows, columns): (Shape, Shape) = ([3, 11, 64], [40, 64])
    let inputs = [
      random.normal(rows), onUnits(rows, &random), onCodes(rows, &random),
    ]
    let weights = [
      random.normal(columns), onUnits(columns, &random), onCodes(columns, &random),
    ]
    let cotangent = random.normal([3, 11, 40])
    // Sums of 64 terms of size 1 in Float32; two pieces keep 17 bits of the factor that is cut.
    let tolerance: Float = precision == .float32 ? 2e-5 : 6e-4
    for x in inputs {
      for w in weights {
        let (y, gradients) = valueAndGradients(of: [x, w], cotangent: cotangent) {
          $0[0].linear(weight: $0[1], precision: precision)
        }
        let (plainY, plainGradients) = valueAndGradients(
          of: [x.copied(), w.copied()], cotangent: cotangent
        ) { $0[0].linear(weight: $0[1]) }
        expectClose(y, plainY, relative: 1e-5, absolute: tolerance)
        expectClose(gradients[0], plainGradients[0], relative: 1e-5, absolute: tolerance)
        expectClose(gradients[1], plainGradients[1], relative: 1e-5, absolute: tolerance)
      }
    }
  }
}
