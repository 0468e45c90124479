import Foundation
import GyroQuantization
import GyroTensors
import Testing

/// Against ml_dtypes and PyTorch: Goldens/generate_formats.py describes inputs and checksums.
@Suite("Codes of other programs")
struct FormatGoldenTests {
  struct Golden: Decodable {
    struct Sums: Decodable {
      let plain: String
      let saturating: String
    }
    struct Float: Decodable {
      let largest: Swift.Float
      let values: [String]
      let bfloat16: Sums
      let random: Sums
    }
    struct Whole: Decodable {
      let bits: Int
      let scale: Swift.Float
      let zero: Int
      let first: [Int]
      let all: String
    }
    struct Channels: Decodable {
      let first: [[Int]]
      let all: String
    }
    let floats: [String: Float]
    let e8m0_floor: String
    let whole: [Whole]
    let channels: Channels
  }

  static let golden: Golden = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Goldens/formats.json")
    return try! JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }()

  static let bfloat16 = (0..<65536).map { Float(bitPattern: UInt32($0) << 16) }

  static func random(_ count: Int) -> [Float] {
    var state: UInt64 = 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let word = UInt32(state >> 32)
      let exponent = (word >> 25 & 63) + 127 - 32
      return Float(bitPattern: word & 0x8000_0000 | exponent << 23 | word & 0x7f_ffff)
    }
  }

  /// FNV-1a of each run of 4096 codes.
  static func checksums(_ codes: [UInt8]) -> String {
    stride(from: 0, to: codes.count, by: 4096).map { start in
      var state: UInt32 = 0x811c_9dc5
      for code in codes[start..<start + 4096] { state = (state ^ UInt32(code)) &* 0x0100_0193 }
      let digits = String(state, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  private func firstDifference(_ a: String, _ b: String) -> Int? {
    zip(Array(a.utf8), Array(b.utf8)).enumerated().first { $0.element.0 != $0.element.1 }
      .map { $0.offset / 8 }
  }

  @Test(
    "codes of all bfloat16 numbers and of a million others are those of ml_dtypes",
    arguments: ["e4m3", "e5m2", "e4m3-ieee", "e3m4-ieee", "e2m1", "e2m3", "e3m2"])
  func minifloats(_ name: String) throws {
    let golden = try #require(Self.golden.floats[name])
    let format = try #require(namedFormat(name) as? Minifloat)
    #expect(format.largest == golden.largest)
    let hasNaN = format.specials != .none
    for (inputs, sums, label) in [
      (Self.bfloat16, golden.bfloat16, "bfloat16"), (Self.random(1 << 20), golden.random, "random"),
    ] {
      let values = hasNaN ? inputs : inputs.map { $0.isNaN ? 0 : $0 }
      let plain = Self.checksums(values.map { format.encode($0, saturating: false) })
      let run = firstDifference(plain, sums.plain)
      #expect(plain == sums.plain, "\(label), run \(run ?? -1) of 4096 codes")
      let saturating = Self.checksums(values.map { format.encode($0) })
      let other = firstDifference(saturating, sums.saturating)
      #expect(saturating == sums.saturating, "\(label), saturating, run \(other ?? -1)")
    }
    for (code, bits) in golden.values.enumerated() {
      let expected = Float(bitPattern: try #require(UInt32(bits, radix: 16)))
      let value = format.decode(UInt8(code))
      #expect(value.isNaN ? expected.isNaN : value.bitPattern == expected.bitPattern)
    }
  }

  @Test("the shared exponents of E8M0 are those of ml_dtypes after rounding down")
  func e8m0() throws {
    let quantizer = try Quantizer(IntegerFormat(bits: 2), .token, scaleFormat: .e8m0)
    var values = Array(Self.bfloat16[0..<0x7f80])
    values[0] = 1
    let scales = try quantizer.scales(covering: Tensor([values.count, 1], elements: values))
    let codes = ScaleFormat.e8m0.codes(of: scales)
    #expect(!codes.contains(0xff))
    #expect(
      Self.checksums(codes + [UInt8](repeating: 0, count: 0x80)) == Self.golden.e8m0_floor)
  }

  @Test("whole numbers are those of PyTorch's fake quantization")
  func integers() throws {
    let x = Tensor([4096], elements: Self.random(4096).map { $0 * 0x1p-10 })
    for golden in Self.golden.whole {
      let isSymmetric = golden.zero == 0
      let format = IntegerFormat(bits: golden.bits)
      let quantizer = try Quantizer(format, .tensor, isSymmetric: isSymmetric)
      let scales = GroupScales(
        scales: Tensor([1], elements: [golden.scale]),
        zeroPoints: isSymmetric ? nil : Tensor([1], elements: [Float(golden.zero)]))
      let codes = try quantizer.quantized(x, with: scales).codeArray.map { code in
        isSymmetric ? Int(format.decode(code)) : Int(code)
      }
      #expect(Array(codes[0..<64]) == golden.first, "\(golden.bits) bits by \(golden.scale)")
      #expect(Self.checksums(codes.map { UInt8(truncatingIfNeeded: $0) }) == golden.all)
    }
    let rows = x.reshaped([8, 512])
    let scales = GroupScales(
      scales: Tensor(
        [8], elements: (0..<8).map { Float(sign: .plus, exponent: -$0, significand: 1) }))
    let grid = try #require(
      try Quantizer(IntegerFormat.int8, .channel).projected(rows, with: scales).grid)
    for (row, first) in Self.golden.channels.first.enumerated() {
      #expect(grid.codeArray[row * 512..<row * 512 + 16].map(Int.init) == first)
    }
    #expect(
      Self.checksums(grid.codeArray.map { UInt8(bitPattern: $0) }) == Self.golden.channels.all)
  }
}
