import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("Half-range spans of whole numbers")
struct HalfRangeTests {
  private let x = Tensor(
    [3, 4], elements: [1, -0.5, 0.25, 0, -2, 1, 0.5, -1, 0, 0, 0, 0])

  @Test("the largest magnitude lies half a step beyond the largest code, on every path")
  func scales() throws {
    for bits in 2...8 {
      let name = "int\(bits)-half-range"
      let format = try #require(FormatNames.format(name) as? IntegerFormat)
      #expect(format.name == name && format.isHalfRange)
      let half = Float((1 << bits) - 1) / 2
      #expect(format.span == half && format.largest == half - 0.5 && format.lowest == -half - 0.5)
      for granularity in [Granularity.token, .channel, .group(4)] {
        let quantizer = try Quantizer(format, granularity)
        let expected: [Float] = [1 / half, 2 / half, 1]
        expectSame(try quantizer.scales(covering: x).scales.elements, expected, name)
        let ranges: [ClosedRange<Float>] = [-0.5...1, -2...1, 0...0]
        expectSame(quantizer.scales(ranges: ranges).scales.elements, expected, name)
        let codes = try quantizer.quantized(x)
        expectSame(codes.scales.scales.elements, expected, name)
        // 1 / scale and −2 / scale are ties but for rounding: up saturates, down takes the lowest.
        #expect(format.decode(codes.codeArray[0]) == half - 0.5)
        #expect(format.decode(codes.codeArray[4]) <= -half + 0.5)
        expectSameBits(try quantizer.projected(x), codes.tensor, name)
      }
    }
  }

  @Test("an integer grid and a static range have the same numbers as the definition")
  func paths() throws {
    let format = try #require(FormatNames.format("int8-half-range"))
    var random = RandomStream(seed: 5)
    let rows = random.uniform([16, 40], in: -3..<3)
    for granularity in [Granularity.tensor, .token, .group(8)] {
      let quantizer = try Quantizer(format, granularity)
      let projected = try quantizer.projected(rows)
      let length = granularity == .tensor ? 640 : granularity == .token ? 40 : 8
      let values = rows.elements
      let expected = stride(from: 0, to: 640, by: length).flatMap { start -> [Float] in
        let group = values[start..<start + length]
        let scale = group.map(abs).max()! / 127.5
        return group.map { min(max(($0 / scale).rounded(.toNearestOrEven), -128), 127) * scale + 0 }
      }
      expectSame(projected.elements.map { $0 + 0 }, expected, "\(granularity)")
      if granularity != .group(8) { #expect(projected.wholeGrid != nil) }
    }
  }

  @Test("names: a format of its own, of signed whole numbers alone")
  func names() throws {
    #expect(FormatNames.format("int8")?.span == 127 && FormatNames.format("e4m3")?.span == 448)
    for name in [
      "uint8-half-range", "int8-half", "int8-half-range-restricted", "int8-", "int9-half-range",
    ] {
      #expect(FormatNames.format(name) == nil, "\(name)")
    }
    #expect(FormatNames.families.contains("int8-half-range"))
    let plain = QuantizationRule(format: "int8"), half = QuantizationRule(format: "int8-half-range")
    #expect(
      QuantizationScheme(weights: plain).fingerprint
        != QuantizationScheme(weights: half).fingerprint)
  }
}
