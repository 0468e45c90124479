import CGyroKernels
import Foundation
import GyroQuantization
import GyroTensors
import Testing

@Suite("Types of scales")
struct ScaleFormatTests {
  /// The scale of one row whose largest magnitude is `reach`, in int8.
  private func scale(_ format: ScaleFormat, _ reach: Float) throws -> Float {
    try Quantizer(IntegerFormat.int8, .token, scaleFormat: format)
      .scales(covering: Tensor([1, 2], elements: [reach, -reach / 3])).scales.item
  }

  @Test("kernels' scales equal the plain definition for ranges of every size")
  func kernelEqualsReference() {
    var random = RandomStream(seed: 4)
    for _ in 0..<20_000 {
      let range = Float(bitPattern: UInt32(random.integer(below: 0x7f80_0000)))
      let span = [1, 6, 7, 127, 448, 255][random.integer(below: 6)] as Float
      for format in 0...5 {
        let whole = format == 5 ? gyro_tensor_scale(range * 1.5, span) : 1
        guard whole.isFinite else { continue }
        let (fast, plain) = (
          gyro_group_scale(Int32(format), range, span, whole),
          gyro_reference_group_scale(Int32(format), range, span, whole)
        )
        guard fast == plain else {
          Issue.record("scale format \(format), range \(range) / \(span): \(fast), not \(plain)")
          return
        }
      }
    }
  }

  @Test("float16 and bfloat16 scales are the nearest, never below the least normal number")
  func halves() throws {
    for reach in [Float(1), 3.3, 0.1, 1e4, 77.7] {
      #expect(try scale(.float16, reach) == Float(Float16(reach / 127)))
      let bfloat16 = try scale(.bfloat16, reach)
      #expect(bfloat16.bitPattern & 0xffff == 0)
      #expect(abs(bfloat16 - reach / 127) <= reach / 127 * 0x1p-8)
    }
    #expect(try scale(.float16, 1e-7) == 0x1p-14)
    #expect(try scale(.bfloat16, 1e-38) == 0x1p-126)
    #expect(try scale(.float32, 1e-38) == 0x1p-126)
    for format in ScaleFormat.allCases where format != .e4m3 {
      #expect(try scale(format, 0) == 1)
    }
  }

  @Test("a scale too large for its type is an error that says so")
  func tooLarge() throws {
    let x = Tensor([2, 2], elements: [1, 1, 3e7, 1])
    let quantizer = try Quantizer(IntegerFormat.int8, .token, scaleFormat: .float16)
    let error = #expect(throws: NotFiniteRow.self) { try quantizer.projected(x) }
    #expect(error == NotFiniteRow(row: 1, scale: 3e7 / 127))
    #expect(
      error?.error(at: "layers.0.weight", .float16).description
        == "layers.0.weight needs a scale of \(Float(3e7) / 127), and float16 scales end at "
        + "65504.0; use float32 scales, or scale the tensor down")
    #expect(quantizer.scales(ranges: [0...3e7]).scales.item == 65504)
    #expect(
      NotFiniteRow(row: 3).error(at: "w", .float16) == QuantizationError.notFinite("w", row: 3))
  }

  @Test("power-of-two scale: 2^k, clips nothing, at most twice the step that would do")
  func powerOfTwo() throws {
    var random = RandomStream(seed: 6)
    let quantizer = try Quantizer(IntegerFormat.int8, .token, scaleFormat: .powerOfTwo)
    let x = random.normal([200, 32])
    let scales = try quantizer.scales(covering: x).scales.elements
    let projected = try quantizer.projected(x).elements
    for (row, scale) in scales.enumerated() {
      #expect(scale.significand == 1)
      let best = x.elements[row * 32..<row * 32 + 32].map(\.magnitude).max()! / 127
      #expect(scale >= best && scale < 2 * best)
      for place in row * 32..<row * 32 + 32 {
        #expect(abs(projected[place] - x.elements[place]) <= scale / 2)
      }
    }
    #expect(try scale(.powerOfTwo, 127) == 1)
    #expect(try scale(.powerOfTwo, Float(127).nextUp * 1.0001) == 2)
  }

  @Test(
    "two-level E4M3 scales: parts are E4M3, the largest group has 448, a lost part is the least")
  func twoLevels() throws {
    let x = Tensor([3, 2], elements: [12, -24, 0, 0, 1e-6, 0])
    let quantizer = try Quantizer(Minifloat.e2m1, .token, scaleFormat: .e4m3)
    let scales = try quantizer.scales(covering: x)
    #expect(scales.tensorScale == Float(24) / Float(448 * 6))
    let codes = ScaleFormat.e4m3.codes(of: scales)
    #expect(codes.map(Minifloat.e4m3.decode) == [448, 0x1p-9, 0x1p-9])
    #expect(
      ScaleFormat.e4m3.scales(of: codes, tensorScale: scales.tensorScale) == scales.scales.elements)
    // Level by level: 3 · 448, exactly, then times the tensor's scale.
    let whole = scales.tensorScale
    #expect(try quantizer.projected(x).elements[0...1] == [1344 * whole, -2688 * whole])
    let zeros = try quantizer.scales(covering: .zeros([2, 2]))
    #expect(zeros.tensorScale == 1 && zeros.scales.elements == [0x1p-9, 0x1p-9])
  }
}
