import CGyroKernels
import GyroQuantization
import GyroTensors
import Testing

@Suite("Symmetric int8 rows")
struct RowQuantizerTests {
  private func reference(_ x: [Float], rows: Int) -> (codes: [Int8], scales: [Float]) {
    let columns = x.count / rows
    var codes = [Int8](repeating: 0, count: x.count), scales = [Float](repeating: 0, count: rows)
    _ = gyro_reference_quantize_rows_int8(x, Int64(rows), Int64(columns), &codes, &scales)
    return (codes, scales)
  }

  @Test(
    "the kernel equals the plain loop bit for bit",
    arguments: [(1, 1), (1, 70_001), (5, 3), (64, 172), (33, 1025)])
  func kernelEqualsReference(_ rows: Int, _ columns: Int) throws {
    var random = RandomStream(seed: UInt64(rows + columns))
    let x = random.normal([rows, columns])
    let grid = try #require(try RowQuantizer.quantize(rowsOf: x).grid)
    let expected = reference(x.elements, rows: rows)
    #expect(grid.codeArray == expected.codes)
    #expect(grid.scaleArray == expected.scales)
  }

  @Test("one definition: the kernel's codes are the number format's codes")
  func kernelEqualsFormat() throws {
    var random = RandomStream(seed: 8)
    let x = random.normal([40, 200])
    let grid = try #require(try RowQuantizer.quantize(rowsOf: x).grid)
    let (codes, scales) = (grid.codeArray, grid.scaleArray)
    for (place, value) in x.elements.enumerated() {
      let scale = scales[place / 200]
      #expect(codes[place] == Int8(bitPattern: IntegerFormat.int8.encode(value / scale)))
    }
  }

  @Test("values are code times scale, and lie within half a step of what they stand for")
  func values() throws {
    var random = RandomStream(seed: 9)
    let x = random.normal([20, 65])
    let quantized = try RowQuantizer.quantize(rowsOf: x)
    let grid = try #require(quantized.grid)
    let (codes, scales) = (grid.codeArray, grid.scaleArray)
    for (place, value) in quantized.elements.enumerated() {
      let scale = scales[place / 65]
      #expect(value == Float(codes[place]) * scale)
      #expect(abs(value - x.elements[place]) <= scale * 0.500001)
    }
  }

  @Test("a row of zeros has scale 1 and codes 0; the smallest rows keep their codes in range")
  func degenerateRows() throws {
    let tiny = Float.leastNonzeroMagnitude
    let x = Tensor([3, 2], elements: [0, -0, tiny, -tiny, 1e-38, -3e-38])
    let grid = try #require(try RowQuantizer.quantize(rowsOf: x).grid)
    #expect(grid.scaleArray[0] == 1)
    #expect(Array(grid.codeArray[0..<2]) == [0, 0])
    #expect(grid.scaleArray.allSatisfy { $0 >= Float.leastNormalMagnitude })
    #expect(grid.codeArray.allSatisfy { $0 >= -127 && $0 <= 127 })
  }

  @Test("the first row with a NaN or an infinity is named", arguments: [Float.nan, .infinity])
  func notFinite(_ bad: Float) {
    var elements = [Float](repeating: 1, count: 12)
    elements[7] = bad
    elements[10] = bad
    #expect(throws: NotFiniteRow(row: 2)) {
      try RowQuantizer.quantize(rowsOf: Tensor([4, 3], elements: elements))
    }
    #expect(throws: NotFiniteRow(row: 0)) {
      try RowQuantizer.quantize(Tensor([4, 3], elements: elements), rows: 1)
    }
  }

  @Test("the product of two integer tensors is the exact product, rounded once")
  func exactProduct() throws {
    var random = RandomStream(seed: 10)
    for (m, n, k) in [(1, 5, 64), (33, 17, 172), (70, 64, 1376)] {
      let x = try RowQuantizer.quantize(rowsOf: random.normal([m, k]))
      let w = try RowQuantizer.quantize(rowsOf: random.normal([n, k]))
      let (a, b) = (try #require(x.grid), try #require(w.grid))
      let (left, right) = (a.codeArray, b.codeArray)
      let (rowScales, columnScales) = (a.scaleArray, b.scaleArray)
      let y = x.matmul(w, transposingOther: true).elements
      for i in 0..<m {
        for j in 0..<n {
          var sum = 0
          for p in 0..<k { sum += Int(left[i * k + p]) * Int(right[j * k + p]) }
          let exact = Double(sum) * (Double(rowScales[i]) * Double(columnScales[j]))
          #expect(y[i * n + j] == Float(exact))
        }
      }
    }
  }
}
