import GyroQuantization
import GyroTensors
import Testing

@Suite("Symmetric int8 rows")
struct IntegerRowTests {
  /// One scale per row of the last axis.
  private let rows: Quantizer

  init() throws { rows = try Quantizer(IntegerFormat.int8, .token) }

  /// The plain loop: a row of zeros has scale 1, and no scale is subnormal.
  private func reference(_ x: [Float], rows: Int) -> (codes: [Int8], scales: [Float]) {
    var codes: [Int8] = [], scales: [Float] = []
    for row in 0..<rows {
      let values = x[row * x.count / rows..<(row + 1) * x.count / rows]
      let largest = values.map(\.magnitude).max()!
      let scale = largest == 0 ? 1 : max(largest / 127, .leastNormalMagnitude)
      scales.append(scale)
      codes += values.map { Int8(($0 / scale).rounded(.toNearestOrEven)) }
    }
    return (codes, scales)
  }

  @Test(
    "the kernel equals the plain loop bit for bit",
    arguments: [(1, 1), (1, 70_001), (5, 3), (64, 172), (33, 1025)])
  func kernelEqualsReference(_ count: Int, _ columns: Int) throws {
    var random = RandomStream(seed: UInt64(count + columns))
    let x = random.normal([count, columns])
    let grid = try #require(try rows.projected(x).wholeGrid)
    let expected = reference(x.elements, rows: count)
    #expect(grid.codeArray == expected.codes)
    #expect(grid.scaleArray == expected.scales)
    let codes = try rows.quantized(x)
    #expect(codes.codeArray.map { Int8(bitPattern: $0) } == expected.codes)
    #expect(codes.scales.scales.elements == expected.scales)
    let whole = try #require(try Quantizer(IntegerFormat.int8, .tensor).projected(x).wholeGrid)
    let single = reference(x.elements, rows: 1)
    #expect(whole.codeArray == single.codes && whole.scaleArray == single.scales)
  }

  @Test("one definition: the kernel's codes are the number format's codes")
  func kernelEqualsFormat() throws {
    var random = RandomStream(seed: 8)
    let x = random.normal([40, 200])
    let grid = try #require(try rows.projected(x).grid)
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
    let projected = try rows.projected(x)
    let grid = try #require(projected.grid)
    let (codes, scales) = (grid.codeArray, grid.scaleArray)
    for (place, value) in projected.elements.enumerated() {
      let scale = scales[place / 65]
      #expect(value == Float(codes[place]) * scale)
      #expect(abs(value - x.elements[place]) <= scale * 0.500001)
    }
  }

  @Test("a row of zeros has scale 1 and codes 0; the smallest rows keep their codes in range")
  func degenerateRows() throws {
    let tiny = Float.leastNonzeroMagnitude
    let x = Tensor([3, 2], elements: [0, -0, tiny, -tiny, 1e-38, -3e-38])
    let grid = try #require(try rows.projected(x).grid)
    #expect(grid.scaleArray[0] == 1)
    #expect(Array(grid.codeArray[0..<2]) == [0, 0])
    #expect(grid.scaleArray.allSatisfy { $0 >= Float.leastNormalMagnitude })
    #expect(grid.codeArray.allSatisfy { $0 >= -127 && $0 <= 127 })
  }

  @Test("the first row with a NaN or an infinity is named", arguments: [Float.nan, .infinity])
  func notFinite(_ bad: Float) throws {
    var elements = [Float](repeating: 1, count: 12)
    elements[7] = bad
    elements[10] = bad
    let x = Tensor([4, 3], elements: elements)
    #expect(throws: NotFiniteRow(row: 2)) { try rows.projected(x) }
    let tensor = try Quantizer(IntegerFormat.int8, .tensor)
    #expect(throws: NotFiniteRow(row: 0)) { try tensor.projected(x) }
  }

  @Test("the product of two integer tensors is the exact product, rounded once")
  func exactProduct() throws {
    var random = RandomStream(seed: 10)
    for (m, n, k) in [(1, 5, 64), (33, 17, 172), (70, 64, 1376)] {
      let x = try rows.projected(random.normal([m, k]))
      let w = try rows.projected(random.normal([n, k]))
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
