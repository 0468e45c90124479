import GyroQuantization
import GyroTensors
import GyroTraining
import Testing

@Suite struct WeightCodesTests {
  @Test(arguments: [true, false]) func `levels stand for the values that are quantized`(
    _ isSymmetric: Bool
  ) throws {
    var random = RandomStream(seed: 2)
    let weight = random.normal([6, 32], mean: 0.4)
    let formats: [any NumberFormat] =
      [IntegerFormat.int4] + (isSymmetric ? [Minifloat.e2m1, IntegerFormat.int8] : [])
    for format in formats {
      for granularity in [Granularity.tensor, .channel, .group(8)] {
        let quantizer = try Quantizer(format, granularity, isSymmetric: isSymmetric)
        let quantized = try quantizer.quantized(weight)
        let codes = WeightCodes(quantized)
        #expect(codes.values == codes.values.sorted())
        #expect(codes.offsets.isEmpty == isSymmetric)
        let values = codes.levels.enumerated().map { place, level in
          let group = place / codes.groupLength
          let offset = isSymmetric ? 0 : codes.offsets[group]
          return (codes.values[Int(level)] - offset) * codes.scales[group]
        }
        #expect(values == quantized.tensor.elements, "\(format.name) \(granularity)")
      }
    }
  }
}
