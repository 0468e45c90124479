import CGyroKernels
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

/// Normal numbers whose rows have sizes far apart, with some zeros and a row of zeros.
private func trialTensor(_ shape: Shape, seed: UInt64 = 5) -> Tensor {
  var random = RandomStream(seed: seed)
  var elements = random.normal(shape).elements
  for place in elements.indices {
    let row = place / shape.columns
    elements[place] *= Float(sign: .plus, exponent: (row * 7) % 31 - 15, significand: 1)
    if row == 2 || place % 23 == 0 { elements[place] = place % 2 == 0 ? 0 : -0 }
  }
  return Tensor(shape, elements: elements)
}

private func bits(_ tensor: Tensor) -> [UInt32] { tensor.elements.map(\.bitPattern) }

@Suite("What is trained is what ships: every format, granularity and scale")
struct QuantizerLawTests {
  static let granularities: [Granularity] = [
    .tensor, .channel, .token, .group(16), .group(12), .head(size: 24),
    .block(rows: 3, columns: 16),
  ]

  /// The place of an element's group.
  private func group(_ place: Int, _ granularity: Granularity, _ shape: Shape) -> Int {
    switch granularity {
    case .tensor: 0
    case .channel: place / (shape.count / shape.dimensions[0])
    case .token: place / shape.columns
    case .group(let size), .head(let size): place / size
    case .block(let rows, let columns):
      place / shape.columns / rows * (shape.columns / columns) + place % shape.columns / columns
    }
  }

  private func check(_ quantizer: Quantizer, _ x: Tensor) throws {
    let format = quantizer.format, name = "\(format.name) \(quantizer.granularity)"
    let scales = try quantizer.scales(covering: x)
    let projected = try quantizer.projected(x)
    let quantized = try quantizer.quantized(x)
    expectSame(bits(quantized.tensor), bits(projected), name)
    expectSame(quantized.scales.scales.elements, scales.scales.elements, name)
    expectSame(bits(try quantizer.projected(x, with: scales)), bits(projected), name)
    expectSame(try quantizer.quantized(x, with: scales).codeArray, quantized.codeArray, name)

    let (s, values) = (scales.scales.elements, x.elements)
    let zeroPoints = scales.zeroPoints?.elements
    // A scale of two levels multiplies level by level.
    let whole = scales.tensorScale
    let parts = s.map { quantizer.scaleFormat == .e4m3 ? Minifloat.e4m3.project($0 / whole) : $0 }
    var expected: [UInt32] = [], codes: [UInt8] = []
    for (place, value) in values.enumerated() {
      let g = group(place, quantizer.granularity, x.shape)
      if let zero = zeroPoints?[g] {
        let top = Float((1 << format.bits) - 1)
        let code = min(max((value / s[g]).rounded(.toNearestOrEven) + zero, 0), top)
        expected.append(((code - zero) * parts[g] * whole).bitPattern)
        codes.append(UInt8(code))
      } else {
        expected.append((format.project(value / s[g]) * parts[g] * whole).bitPattern)
        codes.append(format.encode(value / s[g]))
      }
    }
    expectSame(bits(projected), expected, "\(name) \(quantizer.scaleFormat)")
    expectSame(quantized.codeArray, codes, "\(name) \(quantizer.scaleFormat)")

    let packed = quantized.packedCodes()
    #expect(packed.count == x.shape.rows * ((x.shape.columns * format.bits + 7) / 8))
    let read = QuantizedTensor(
      unpacking: packed, shape: x.shape, format: format, granularity: quantizer.granularity,
      scaleFormat: quantizer.scaleFormat, scales: quantized.scales)
    expectSame(read.codeArray, codes, name)
    expectSame(bits(read.tensor), expected, name)
  }

  @Test("decoding what was encoded is the projection, bit for bit", arguments: formatNames)
  func symmetric(_ name: String) throws {
    let x = trialTensor([6, 2, 48])
    for granularity in Self.granularities {
      for scaleFormat in ScaleFormat.allCases {
        try check(Quantizer(namedFormat(name), granularity, scaleFormat: scaleFormat), x)
      }
    }
  }

  @Test("… and around a zero point", arguments: 2...8)
  func asymmetric(_ width: Int) throws {
    let x = trialTensor([6, 2, 48])
    for granularity in Self.granularities {
      for scaleFormat in ScaleFormat.allCases {
        let quantizer = try Quantizer(
          IntegerFormat(bits: width), granularity, scaleFormat: scaleFormat, isSymmetric: false)
        try check(quantizer, x)
        for zero in try #require(try quantizer.scales(covering: x).zeroPoints).elements {
          #expect(zero == zero.rounded() && zero >= 0 && zero < Float(1 << width))
        }
      }
    }
  }

  @Test("zero stays zero, and a projection is projected onto itself under the same scales")
  func zeroAndIdempotence() throws {
    let x = trialTensor([4, 96])
    for (name, isSymmetric) in [("int4", true), ("int4", false), ("e4m3", true), ("nf4", true)] {
      let quantizer = try Quantizer(namedFormat(name), .group(32), isSymmetric: isSymmetric)
      let scales = try quantizer.scales(covering: x)
      let once = try quantizer.projected(x, with: scales)
      #expect(try quantizer.projected(once, with: scales).elements == once.elements)
      for (value, projected) in zip(x.elements, once.elements) where value == 0 {
        #expect(projected == 0)
      }
    }
  }

  @Test("ranges give the scales that the same data would")
  func rangesGiveScales() throws {
    let x = trialTensor([8, 32])
    let ranges = (0..<8).map { row in
      let values = x.elements[row * 32..<row * 32 + 32]
      return values.min()!...values.max()!
    }
    for scaleFormat in ScaleFormat.allCases {
      for isSymmetric in [true, false] {
        let quantizer = try Quantizer(
          IntegerFormat.int8, .token, scaleFormat: scaleFormat, isSymmetric: isSymmetric)
        let (a, b) = (quantizer.scales(ranges: ranges), try quantizer.scales(covering: x))
        #expect(a.scales.elements == b.scales.elements)
        #expect(a.zeroPoints?.elements == b.zeroPoints?.elements)
        #expect(a.tensorScale == b.tensorScale)
      }
    }
  }

  @Test("signed integers per tensor, channel and token come on an integer grid, any width")
  func integerGrids() throws {
    var random = RandomStream(seed: 3)
    let x = random.normal([5, 64]), w = random.normal([7, 64])
    for width in 2...8 {
      for granularity in [Granularity.tensor, .channel, .token] {
        for scaleFormat in ScaleFormat.allCases where scaleFormat != .e4m3 {
          let quantizer = try Quantizer(
            IntegerFormat(bits: width), granularity, scaleFormat: scaleFormat)
          let (a, b) = (try quantizer.projected(x), try quantizer.projected(w))
          let (left, right) = (try #require(a.grid), try #require(b.grid))
          let y = a.matmul(b, transposingOther: true).elements
          for i in 0..<5 {
            for j in 0..<7 {
              let sum = (0..<64).reduce(0) {
                $0 + Int(left.codeArray[i * 64 + $1]) * Int(right.codeArray[j * 64 + $1])
              }
              let scale = Double(left.scaleArray[i]) * Double(right.scaleArray[j])
              #expect(y[i * 7 + j] == Float(Double(sum) * scale))
            }
          }
        }
      }
    }
    #expect(try Quantizer(IntegerFormat.int8, .group(32)).projected(x).wholeGrid == nil)
  }

  @Test(
    "a NaN or an infinity is found, dynamic or static, and its group named",
    arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(_ bad: Float) throws {
    var elements = [Float](repeating: 1, count: 8 * 64)
    elements[5 * 64 + 33] = bad
    let x = Tensor([8, 64], elements: elements)
    let zeros = Tensor.zeros([8, 64])
    for (granularity, row) in [
      (Granularity.tensor, 0), (.token, 5), (.group(32), 11), (.group(16), 22), (.group(4), 88),
    ] {
      for isSymmetric in [true, false] {
        let quantizer = try Quantizer(IntegerFormat.int4, granularity, isSymmetric: isSymmetric)
        let scales = try quantizer.scales(covering: zeros)
        #expect(throws: NotFiniteRow(row: row)) { try quantizer.scales(covering: x) }
        #expect(throws: NotFiniteRow(row: row)) { try quantizer.projected(x) }
        #expect(throws: NotFiniteRow(row: row)) { try quantizer.projected(x, with: scales) }
        #expect(throws: NotFiniteRow(row: row)) { try quantizer.quantized(x) }
      }
    }
  }

  @Test("a group that does not divide is refused, with the nearest that does")
  func indivisible() throws {
    let quantizer = try Quantizer(IntegerFormat.int4, .group(32))
    let error = #expect(throws: QuantizationError.self) {
      try quantizer.layout(of: [4, 48], named: "lm_head.weight")
    }
    #expect(
      error?.description
        == "lm_head.weight: groups of 32 do not divide its 48 columns; "
        + "the nearest size that does is 24")
    let block = try Quantizer(IntegerFormat.int8, .block(rows: 4, columns: 16))
    #expect(throws: QuantizationError.self) { try block.layout(of: [6, 48]) }
    #expect(
      try block.layout(of: [8, 48])
        == GroupLayout(.block(rows: 4, columns: 16), of: [8, 48], named: "w"))
  }

  @Test("only whole numbers have a zero point")
  func asymmetricFloats() {
    #expect(throws: QuantizationError.asymmetric(format: "e4m3")) {
      try Quantizer(Minifloat.e4m3, .tensor, isSymmetric: false)
    }
  }

  @Test("long groups, shared out over threads, equal the plain loop")
  func longGroups() throws {
    var random = RandomStream(seed: 17)
    let x = random.normal([3, 70_001])
    for (name, isSymmetric) in [("int8", true), ("int8", false), ("e4m3", true), ("nf4", true)] {
      for scaleFormat in [ScaleFormat.float32, .e4m3] {
        for granularity in [Granularity.tensor, .token] {
          let quantizer = try Quantizer(
            namedFormat(name), granularity, scaleFormat: scaleFormat, isSymmetric: isSymmetric)
          try check(quantizer, x)
        }
      }
    }
  }
}
