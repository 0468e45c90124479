import CGyroKernels
import GyroQuantization
import GyroTensors
import Testing

@Suite("Kernels of simulated quantization equal their plain loops, bit for bit")
struct GroupKernelTests {
  /// What a kernel wrote.
  private struct Result: Equatable {
    var status: Int64
    var output: [UInt32]
    var scales: [UInt32]
    var zeroPoints: [UInt32]
    var tensorScale: UInt32
  }

  private typealias Kernel = (
    UnsafePointer<gyro_group_quantizer>?, UnsafePointer<Float>?, Int64, Int64, Int32,
    UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, Int32,
    UnsafeMutableRawPointer?
  ) -> Int64

  private func run(
    _ kernel: Kernel, _ quantizer: gyro_group_quantizer, _ x: [Float], _ groups: Int, _ kind: Int32,
    given: Result? = nil
  ) -> Result {
    var quantizer = quantizer
    var scales = (given?.scales ?? .init(repeating: 0, count: groups)).map(Float.init(bitPattern:))
    var zeroPoints = (given?.zeroPoints ?? .init(repeating: 0, count: groups))
      .map(Float.init(bitPattern:))
    var tensorScale = Float(bitPattern: given?.tensorScale ?? 0)
    var output = [UInt32](repeating: 0, count: x.count)
    let isAsymmetric = quantizer.is_asymmetric != 0
    let status = zeroPoints.withUnsafeMutableBufferPointer { zeroPoints in
      kernel(
        &quantizer, x, Int64(groups), Int64(x.count / groups), given == nil ? 1 : 0, &scales,
        isAsymmetric ? zeroPoints.baseAddress : nil, &tensorScale, kind, &output)
    }
    return Result(
      status: status, output: status == 0 ? output : [],
      scales: status == 0 ? scales.map(\.bitPattern) : [],
      zeroPoints: status == 0 ? zeroPoints.map(\.bitPattern) : [],
      tensorScale: status == 0 ? tensorScale.bitPattern : 0)
  }

  private static let shapes = [
    (1, 1), (7, 16), (300, 16), (33, 32), (20, 64), (5, 17), (9, 128), (40, 4), (3, 4097),
    (2, 70_001), (1, 200_001),
  ]

  private func check(_ quantizer: gyro_group_quantizer, kinds: [Int]) {
    var random = RandomStream(seed: 41)
    for (groups, length) in Self.shapes {
      var x = random.normal([groups * length]).elements
      for place in x.indices {
        x[place] *= Float(sign: .plus, exponent: (place / length * 11) % 37 - 18, significand: 1)
        if place % 19 == 0 || place / length == 3 { x[place] = place % 2 == 0 ? 0 : -0 }
      }
      for kind in kinds.map(Int32.init) {
        let plain = run(gyro_reference_quantize_groups, quantizer, x, groups, kind)
        #expect(run(gyro_quantize_groups, quantizer, x, groups, kind) == plain)
        guard plain.status == 0 else { continue }
        // The same groups under scales that clip.
        var given = plain
        given.scales = plain.scales.map { (Float(bitPattern: $0) * 0.6).bitPattern }
        let (a, b) = (
          run(gyro_quantize_groups, quantizer, x, groups, kind, given: given),
          run(gyro_reference_quantize_groups, quantizer, x, groups, kind, given: given)
        )
        #expect(a == b)
      }
      x[x.count - 1] = .nan
      let bad = run(gyro_quantize_groups, quantizer, x, groups, 0)
      #expect(bad.status == Int64(groups))
    }
  }

  @Test("whole numbers, symmetric and around a zero point", arguments: 0...5)
  func integers(_ scaleFormat: Int) {
    for bits in [2, 4, 8] as [Int32] {
      for isAsymmetric in [false, true] {
        var quantizer = gyro_group_quantizer()
        quantizer.format.kind = Int32(GYRO_FORMAT_INTEGERS)
        quantizer.format.bits = bits
        quantizer.format.lowest = -Float(1 << (bits - 1))
        quantizer.format.largest = Float(1 << (bits - 1)) - 1
        quantizer.scale_format = Int32(scaleFormat)
        quantizer.is_asymmetric = isAsymmetric ? 1 : 0
        quantizer.span = isAsymmetric ? Float(1 << bits) - 1 : quantizer.format.largest
        check(quantizer, kinds: isAsymmetric ? [0, 1] : [0, 1, 2])
      }
    }
  }

  @Test("small floats", arguments: 0...5)
  func floats(_ scaleFormat: Int) {
    for format in [
      Minifloat.e4m3, .e5m2, .e2m1, .e2m3, .allFinite(exponentBits: 1, mantissaBits: 6),
    ] {
      var quantizer = gyro_group_quantizer()
      quantizer.format.kind = Int32(GYRO_FORMAT_FLOATS)
      quantizer.format.bits = Int32(format.bits)
      quantizer.format.lowest = format.lowest
      quantizer.format.largest = format.largest
      quantizer.format.mantissa_bits = Int32(format.mantissaBits)
      quantizer.format.smallest_exponent = Int32(format.smallestExponent)
      quantizer.scale_format = Int32(scaleFormat)
      quantizer.span = format.largest
      check(quantizer, kinds: [0, 1])
      // Given, so that some groups saturate and others are zeros; other types of scales ignore it.
      quantizer.tensor_scale = 0x1.9p-6
      check(quantizer, kinds: [0, 1])
    }
  }

  @Test("lists of levels, short and long", arguments: [2, 3, 4, 5, 16, 17, 31, 200, 256])
  func levels(_ count: Int) {
    let levels = (0..<count).map { Float($0 * $0 + 3 * $0) / Float(count * count) - 0.4 }
    let thresholds = zip(levels, levels.dropFirst()).map { ($0 + $1) / 2 }
    levels.withUnsafeBufferPointer { levels in
      thresholds.withUnsafeBufferPointer { thresholds in
        var quantizer = gyro_group_quantizer()
        quantizer.format.kind = Int32(GYRO_FORMAT_LEVELS)
        quantizer.format.bits = 8
        quantizer.format.lowest = levels[0]
        quantizer.format.largest = max(levels[count - 1], -levels[0])
        quantizer.format.level_count = Int32(count)
        quantizer.format.levels = levels.baseAddress
        quantizer.format.thresholds = thresholds.baseAddress
        quantizer.span = quantizer.format.largest
        check(quantizer, kinds: [0, 1])
      }
    }
  }
}
