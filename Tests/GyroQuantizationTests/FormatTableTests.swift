import GyroQuantization
import GyroTensors
import Testing

@Suite("Published tables of number formats")
struct FormatTableTests {
  @Test("FP8 codecs: E4M3 has 253 distinct finite values, E5M2 247, E3M2 and E2M3 63, E2M1 15")
  func counts() {
    #expect(Minifloat.e4m3.values.count == 253)
    #expect(Minifloat.e5m2.values.count == 247)
    #expect(Minifloat.e3m2.values.count == 63)
    #expect(Minifloat.e2m3.values.count == 63)
    #expect(Minifloat.e2m1.values.count == 15)
    // Every code a number: only the two zeros coincide.
    for name in ["e3m4", "e2m5", "e4m3-finite", "e1m6"] {
      #expect(namedFormat(name).values.count == 255)
    }
  }

  @Test("FP8 codecs: rounding at the edges (OCP FP8)")
  func edges() {
    let e4m3 = Minifloat.e4m3, e5m2 = Minifloat.e5m2
    #expect(e4m3.largest == 448)
    #expect(e4m3.decode(e4m3.encode(464, saturating: false)) == 448)
    #expect(e4m3.decode(e4m3.encode(Float(464).nextUp, saturating: false)).isNaN)
    #expect(e4m3.project(Float(464).nextUp) == 448)
    #expect(e4m3.project(0x1p-10) == 0)
    #expect(e4m3.project(1.5 * 0x1p-9) == 0x1p-8)
    #expect(e5m2.largest == 57344)
    #expect(e5m2.decode(e5m2.encode(61439, saturating: false)) == 57344)
    #expect(e5m2.decode(e5m2.encode(61440, saturating: false)) == .infinity)
    #expect(e5m2.project(61440) == 57344)
    #expect(e4m3.decode(1) == 0x1p-9 && e4m3.decode(8) == 0x1p-6)
    #expect(e5m2.decode(1) == 0x1p-16 && e5m2.decode(4) == 0x1p-14)
  }

  @Test("MX element grids (OCP MX 1.0)")
  func grids() {
    func positive(_ format: Minifloat) -> [Float] { format.values.filter { $0 >= 0 } }
    #expect(positive(.e2m1) == [0, 0.5, 1, 1.5, 2, 3, 4, 6])
    var steps: [Float] = []
    steps += stride(from: Float(0), to: 2, by: 0.125)
    steps += stride(from: Float(2), to: 4, by: 0.25)
    steps += stride(from: Float(4), through: 7.5, by: 0.5)
    #expect(positive(.e2m3) == steps)
    #expect(
      positive(.e3m2) == [
        0, 0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875, 1, 1.25,
        1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28,
      ])
  }

  @Test("affine + symmetric quantizer: the toolkit's vector, zero exact, ties to even")
  func toolkitVector() throws {
    let x = Tensor(
      [10],
      elements: [0.9817, 0.8796, 0.9921, 0.4611, 0.0832, 0.1784, 0.3674, 0.5676, 0.3376, 0.2119])
    let codes = try Quantizer(IntegerFormat.int8, .tensor).quantized(x).codeArray
    #expect(codes == [126, 113, 127, 59, 11, 23, 47, 73, 43, 27])
    let ties: [Float] = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5]
    #expect(ties.map(IntegerFormat.int8.project) == [0, 2, 2, 0, -2, -2])
    let asymmetric = try Quantizer(IntegerFormat.int4, .tensor, isSymmetric: false)
    let y = try asymmetric.projected(Tensor([4], elements: [-0.3, 0, 0.9, 2.2])).elements
    #expect(y[1] == 0)
  }

  @Test("restricted, full and unsigned integers end where they should")
  func integerRanges() {
    #expect(namedFormat("int8").project(-1000) == -128)
    #expect(namedFormat("int8-restricted").project(-1000) == -127)
    #expect(namedFormat("uint8").project(-1000) == 0)
    #expect(namedFormat("uint8").project(1000) == 255)
    #expect(namedFormat("int4").encode(-1) == 0x0f)
    #expect(namedFormat("int4").decode(0xf8) == -8)
  }
}
