import GyroQuantization
import GyroTensors
import Testing

@Suite("Integer execution: integer matmul/conv with zero points, INT32 bias, M0/shift requant")
struct IntegerRequantizationTests {
  typealias Encoding = IntegerLinear.Encoding

  @Test("M0 lies in [2^30, 2^31), and the factor it stands for within 2^-31 of the real one")
  func multiplier() {
    var random = RandomStream(seed: 12)
    var factors = [0.5, 1, 0.25, 0x1p-32, 0x1.fffffffffffffp-1, 0.75, 3.7, 1e-6, 0x1.fp30]
    factors += (0..<2000).map { _ in Double(random.uniform() + 0x1p-24) * 0.999 }
    for factor in factors {
      let fixed = FixedPointMultiplier(factor)
      #expect(fixed.multiplier >= 1 << 30)
      #expect(abs(fixed.value - factor) <= factor * 0x1p-31)
    }
    #expect(FixedPointMultiplier(0.5) == FixedPointMultiplier(0.5))
    #expect(FixedPointMultiplier(0.5).multiplier == 1 << 30 && FixedPointMultiplier(0.5).shift == 0)
    #expect(FixedPointMultiplier(0.0625).shift == 3)
  }

  @Test("negative ties: halves go away from zero on both sides, so the mean does not move")
  func ties() {
    let half = FixedPointMultiplier(0.5)
    #expect([1, 3, 5, -1, -3, -5].map(half.scale) == [1, 2, 3, -1, -2, -3])
    #expect([0, 2, -2, Int32.max, Int32.min].map(half.scale) == [0, 1, -1, 1 << 30, -(1 << 30)])
    let sum = (-1000...1000).reduce(0) { $0 + Int(half.scale(Int32($1))) }
    #expect(sum == 0)
    #expect(FixedPointMultiplier(4).scale(.max) == .max)
    #expect(FixedPointMultiplier(4).scale(.min) == .min)
    #expect(FixedPointMultiplier(3).scale(-7) == -21)
  }

  @Test("scaling is the real product, rounded to nearest")
  func nearest() {
    var random = RandomStream(seed: 13)
    for _ in 0..<5000 {
      let fixed = FixedPointMultiplier(Double(random.uniform()) * 0.1 + 1e-7)
      let value = Int32(truncatingIfNeeded: random.next()) >> 8
      let exact = Double(value) * fixed.value
      #expect(Double(fixed.scale(value)) == exact.rounded(.toNearestOrAwayFromZero))
    }
  }

  @Test("dyadic integer-only requant: b/2^c is less than 2^-c from the factor")
  func dyadic() {
    var random = RandomStream(seed: 14)
    for shift in [0, 4, 8, 16, 30] {
      for _ in 0..<500 {
        let factor = Double(random.uniform())
        let dyadic = DyadicFactor(factor, shift: shift)
        #expect(abs(dyadic.value - factor) < Double(sign: .plus, exponent: -shift, significand: 1))
        let value = Int32(truncatingIfNeeded: random.next()) >> 10
        let exact = Double(value) * dyadic.value
        #expect(Double(dyadic.scale(value)) == exact.rounded(.toNearestOrAwayFromZero))
      }
    }
    #expect([1, 3, -1, -3].map(DyadicFactor(0.5, shift: 1).scale) == [1, 2, -1, -2])
  }

  @Test("the K z_w z_x term: sums equal the real sums of codes less zero points, exactly")
  func zeroPointTerms() {
    var random = RandomStream(seed: 15)
    let (columns, rows) = (37, 5)
    let weight = (0..<rows * columns).map { _ in Int32(random.integer(below: 256)) }
    let input = (0..<3 * columns).map { _ in Int32(random.integer(below: 256)) }
    for (zw, zx) in [(0, 0), (128, 0), (0, 77), (131, 77), (255, 255)] as [(Int32, Int32)] {
      let layer = IntegerLinear(
        weight: weight, columns: columns,
        weightEncodings: .init(
          repeating: Encoding(scale: 0.01, zeroPoint: zw, codes: 0...255), count: rows),
        bias: .init(repeating: 0, count: rows),
        input: Encoding(scale: 0.02, zeroPoint: zx, codes: 0...255),
        output: Encoding(scale: 0.5, zeroPoint: 3, codes: 0...255))
      let sums = layer.accumulators(input)
      for item in 0..<3 {
        for row in 0..<rows {
          let expected = (0..<columns).reduce(Int32(0)) {
            $0 + (weight[row * columns + $1] - zw) * (input[item * columns + $1] - zx)
          }
          #expect(sums[item * rows + row] == expected)
        }
      }
      #expect(columns == 37)
    }
  }

  @Test(
    "integer execution equals simulated quantization within one step", arguments: [true, false])
  func equalsFakeQuantization(_ isSymmetric: Bool) throws {
    var random = RandomStream(seed: isSymmetric ? 21 : 22)
    let (items, rows, columns) = (40, 16, 96)
    let x = random.uniform([items, columns], in: -0.3..<2)
    let w = random.normal([rows, columns], standardDeviation: 0.2)
    let bias = random.normal([rows]).elements
    let weights = try Quantizer(IntegerFormat.int8, .channel, isSymmetric: isSymmetric)
    let activations = try Quantizer(IntegerFormat.int8, .tensor, isSymmetric: false)
    let (qw, qx) = (try weights.quantized(w), try activations.quantized(x))

    // The simulation: values on their grids, the product in Float32, the output on its grid.
    let encodings = (0..<rows).map { row in
      Encoding(
        scale: qw.scales.scales.elements[row],
        zeroPoint: Int32(qw.scales.zeroPoints?.elements[row] ?? 0),
        codes: isSymmetric ? -128...127 : 0...255)
    }
    let input = Encoding(
      scale: qx.scales.scales.item, zeroPoint: Int32(qx.scales.zeroPoints!.item), codes: 0...255)
    var y = qx.tensor.matmul(qw.tensor, transposingOther: true)
    let roundedBias = (0..<rows).map { row in
      let step = Double(encodings[row].scale) * Double(input.scale)
      return Float(
        Double(IntegerLinear.biasCode(bias[row], encodings[row].scale, input.scale)) * step)
    }
    y.addRow(Tensor([rows], elements: roundedBias))
    let outputs = try activations.quantized(y)
    let output = Encoding(
      scale: outputs.scales.scales.item, zeroPoint: Int32(outputs.scales.zeroPoints!.item),
      codes: 0...255)

    let layer = IntegerLinear(
      weight: qw.codeArray.map { isSymmetric ? Int32(Int8(bitPattern: $0)) : Int32($0) },
      columns: columns, weightEncodings: encodings, bias: bias, input: input, output: output)
    let codes = layer(qx.codeArray.map(Int32.init))
    var different = 0
    for (code, expected) in zip(codes, outputs.codeArray) {
      #expect(abs(code - Int32(expected)) <= 1)
      if code != Int32(expected) { different += 1 }
    }
    // Only where the product lies halfway between two steps, to within the arithmetic's rounding.
    #expect(different <= codes.count / 100)
  }

  @Test("a convolution is the same layer on its patches, padded with the zero point")
  func convolution() throws {
    var random = RandomStream(seed: 23)
    let (channels, size, outputs) = (3, 6, 4)
    let x = random.uniform([channels, size, size], in: -0.5..<1)
    let w = random.normal([outputs, channels, 3, 3])
    let qx = try Quantizer(IntegerFormat.int8, .tensor, isSymmetric: false).quantized(x)
    let qw = try Quantizer(IntegerFormat.int8, .channel).quantized(w)
    let zero = Int32(qx.scales.zeroPoints!.item)
    // Patches with a border of one: padding is real zero, whose code is the zero point.
    func patches<Value>(_ values: [Value], padding: Value) -> [Value] {
      var result: [Value] = []
      for (row, column) in (0..<size * size).map({ ($0 / size, $0 % size) }) {
        for channel in 0..<channels {
          for (i, j) in (0..<9).map({ (row + $0 / 3 - 1, column + $0 % 3 - 1) }) {
            let isInside = (0..<size).contains(i) && (0..<size).contains(j)
            result.append(isInside ? values[(channel * size + i) * size + j] : padding)
          }
        }
      }
      return result
    }
    let columns = channels * 9
    let real = Tensor([size * size, columns], elements: patches(qx.tensor.elements, padding: 0))
    let y = real.matmul(qw.tensor.reshaped([outputs, columns]), transposingOther: true)
    let qy = try Quantizer(IntegerFormat.int8, .tensor, isSymmetric: false).quantized(y)
    let layer = IntegerLinear(
      weight: qw.codeArray.map { Int32(Int8(bitPattern: $0)) }, columns: columns,
      weightEncodings: qw.scales.scales.elements.map {
        Encoding(scale: $0, zeroPoint: 0, codes: -128...127)
      },
      bias: .init(repeating: 0, count: outputs),
      input: Encoding(scale: qx.scales.scales.item, zeroPoint: zero, codes: 0...255),
      output: Encoding(
        scale: qy.scales.scales.item, zeroPoint: Int32(qy.scales.zeroPoints!.item), codes: 0...255))
    let codes = layer(patches(qx.codeArray.map(Int32.init), padding: zero))
    for (code, expected) in zip(codes, qy.codeArray) { #expect(abs(code - Int32(expected)) <= 1) }
  }
}
