import GyroTensors
import TestSupport
import Testing

/// A tensor on a grid of E4M3-like units with a scale for each row, and its values.
func randomUnits(_ shape: Shape, _ random: inout RandomStream) -> Tensor {
  let grid = UnitGrid(uninitializedRows: shape.rows, columns: shape.columns)
  for row in 0..<shape.rows { grid.scalePointer[row] = 0.01 + random.uniform() }
  for place in 0..<shape.count {
    let unit = Float(random.integer(below: 31) - 15) * Float(1 << random.integer(below: 4))
    grid.unitPointer[place] = UInt16(unit.bitPattern >> 16)
  }
  return Tensor(shape, decoding: grid)
}

/// The same with signed bytes.
func randomCodes(_ shape: Shape, _ random: inout RandomStream) -> Tensor {
  let grid = IntegerGrid(uninitializedRows: shape.rows, columns: shape.columns)
  for row in 0..<shape.rows { grid.scalePointer[row] = 0.01 + random.uniform() }
  for place in 0..<shape.count {
    grid.codePointer[place] = Int8(random.integer(below: 255) - 127)
  }
  return Tensor(shape, on: grid)
}

@Suite("Unit grids")
struct UnitGridTests {
  @Test("elements are units times the scale of their row, rounded once")
  func decoding() throws {
    var random = RandomStream(seed: 1)
    let tensor = randomUnits([3, 7, 5], &random)
    let grid = try #require(tensor.units)
    let (units, scales) = (grid.unitArray, grid.scaleArray)
    #expect(grid.rows == 21 && grid.columns == 5 && tensor.grid == nil)
    #expect(tensor.elements == units.indices.map { units[$0] * scales[$0 / 5] })
  }

  @Test("values that lie on units come back as the same units; others are refused")
  func fromValues() throws {
    var random = RandomStream(seed: 2)
    let tensor = randomUnits([6, 40], &random)
    let grid = try #require(tensor.units)
    let again = try #require(UnitGrid(values: tensor.copied(), rowScales: grid.scaleArray))
    #expect(again.unitArray == grid.unitArray)
    #expect(UnitGrid(values: Tensor([1, 3], elements: [0.5, -0.0, 255])) != nil)
    #expect(UnitGrid(values: Tensor([1, 2], elements: [1, 257])) == nil)
  }

  @Test("shorter rows share the scale of the row they are cut from; parts have no units")
  func cutting() throws {
    var random = RandomStream(seed: 3)
    let tensor = randomUnits([2, 12], &random)
    let cut = try #require(tensor.reshaped([6, 4]).units)
    #expect(cut.rows == 6 && cut.scaleArray[2] == tensor.units?.scaleArray[0])
    #expect(tensor.reshaped([3, 8]).units == nil)
    #expect(tensor.sliced(axis: 0, 0..<1).units == nil)
    #expect(tensor.copied().units == nil)
  }

  @Test("writing to a tensor leaves its units behind")
  func writing() {
    var random = RandomStream(seed: 4)
    let tensor = randomUnits([2, 4], &random)
    var changed = tensor
    changed.withMutableElements { $0[0] = 7 }
    #expect(changed.units == nil && tensor.units != nil && changed.elements[0] == 7)
    #expect(tensor.elements[0] != 7)
  }

  @Test("products of any two kinds of matrices equal those of their elements")
  func products() {
    var random = RandomStream(seed: 5)
    let (m, n, k) = (37, 34, 96)
    func operand(_ kind: Int, _ shape: Shape) -> Tensor {
      switch kind {
      case 0: random.normal(shape)
      case 1: randomUnits(shape, &random)
      default: randomCodes(shape, &random)
      }
    }
    for form in 0..<36 {
      let (flipA, flipB) = (form / 9 % 2 == 1, form / 18 == 1)
      let a = operand(form % 3, flipA ? [k, m] : [m, k])
      let b = operand(form / 3 % 3, flipB ? [n, k] : [k, n])
      let bounds = a.magnitudes.matmul(
        b.magnitudes, transposingSelf: flipA, transposingOther: flipB)
      let expected = a.copied().matmul(
        b.copied(), transposingSelf: flipA, transposingOther: flipB)
      for (precision, unit) in [
        (MatmulPrecision.float32, Float(1e-6)), (.tiledFloat32, 1e-6), (.splitBFloat16, 2e-5),
      ] {
        let product = a.matmul(
          b, transposingSelf: flipA, transposingOther: flipB, precision: precision)
        let view = (flipA ? a.transposed() : a).matmul(
          flipB ? b.transposed() : b, precision: precision)
        #expect(product.shape == [m, n] && view.elements == product.elements)
        let isClose = zip(zip(product.elements, expected.elements), bounds.elements).allSatisfy {
          abs($0.0 - $0.1) <= unit * $1
        }
        #expect(isClose, "kinds \(form % 3) and \(form / 3 % 3), \(precision)")
      }
    }
  }

  @Test("leading axes of the left side are rows")
  func leadingAxes() {
    var random = RandomStream(seed: 6)
    let x = randomUnits([2, 5, 32], &random), w = randomUnits([24, 32], &random)
    let y = x.matmul(w, transposingOther: true)
    #expect(y.shape == [2, 5, 24])
    #expect(y.elements == x.reshaped([10, 32]).matmul(w, transposingOther: true).elements)
  }
}

extension Tensor {
  fileprivate var magnitudes: Tensor { Tensor(shape, elements: elements.map(abs)) }
}
