import Foundation
import GyroQuantization
import GyroTensors
import Testing

@Suite("MX: 32 neighbors share a power of two (OCP MX 1.0)")
struct MicroscalingTests {
  private func microscaled(_ format: any NumberFormat) throws -> Quantizer {
    try Quantizer(format, .group(32), scaleFormat: .e8m0)
  }

  private func block(_ first: Float, rest: Float = 0) -> Tensor {
    Tensor([32], elements: [first] + [Float](repeating: rest, count: 31))
  }

  @Test("MX amax 7.9 case: the shared exponent is rounded down, so the largest value clips to 6")
  func floorRuleClips() throws {
    let quantizer = try microscaled(Minifloat.e2m1)
    #expect(try quantizer.scales(covering: block(7.9)).scales.item == 1)
    #expect(try quantizer.projected(block(7.9)).elements[0] == 6)
    #expect(try quantizer.scales(covering: block(8)).scales.item == 2)
  }

  @Test(
    "the shared exponent is that of the block's largest value less the format's largest exponent",
    arguments: [("e5m2", 15), ("e4m3", 8), ("e3m2", 4), ("e2m3", 2), ("e2m1", 2), ("int8", 6)])
  func largestExponents(_ name: String, _ exponent: Int) throws {
    let quantizer = try microscaled(namedFormat(name))
    for power in [-100, -3, 0, 1, 90] {
      let value = Float(sign: .plus, exponent: power, significand: 1.75)
      let scale = try quantizer.scales(covering: block(value)).scales.item
      #expect(scale == Float(sign: .plus, exponent: power - exponent, significand: 1))
    }
  }

  @Test("MXINT8 is two's complement in steps of 2^-6 of the shared power, at most 127/64")
  func integers() throws {
    let quantizer = try microscaled(IntegerFormat.int8)
    let projected = try quantizer.projected(block(1.999, rest: 0.013)).elements
    #expect(projected[0] == 1.984375)
    #expect(projected[1] == 0.015625)
  }

  @Test("blocks of zeros, of subnormal numbers and of the largest there are")
  func edgeBlocks() throws {
    let quantizer = try microscaled(Minifloat.e2m1)
    #expect(try quantizer.projected(block(0)).elements.allSatisfy { $0 == 0 })
    #expect(try quantizer.scales(covering: block(0)).scales.item == 1)
    // 2^-127 is the least scale; a subnormal block keeps what that can hold.
    let tiny = try quantizer.scales(covering: block(0x1p-140))
    #expect(tiny.scales.item == 0x1p-127)
    #expect(ScaleFormat.e8m0.codes(of: tiny) == [0])
    #expect(try quantizer.projected(block(0x1p-128)).elements[0] == 0x1p-128)
    let huge = try quantizer.scales(covering: block(.greatestFiniteMagnitude))
    #expect(huge.scales.item == 0x1p125)
    #expect(try quantizer.projected(block(.greatestFiniteMagnitude)).elements[0] == 6 * 0x1p125)
    #expect(throws: NotFiniteRow(row: 0)) { try quantizer.projected(block(.nan)) }
    #expect(ScaleFormat.e8m0.scales(of: [0, 127, 254])[0...2] == [0x1p-127, 1, 0x1p127])
    #expect(ScaleFormat.e8m0.scales(of: [255])[0].isNaN)
  }

  // MARK: Signal to noise

  private static let count = 60_000 * 32

  /// Unit normal, Laplace and Student-t (5 degrees of freedom) numbers.
  private static let samples: [Tensor] = {
    var random = RandomStream(seed: 2024)
    let normal = random.normal([count])
    let laplace = Tensor.filled([count]) { pointer in
      for place in 0..<count {
        let u = Double(random.next() >> 11) * 0x1p-53 - 0.5
        let magnitude = -log(max(1 - 2 * abs(u), 1e-300))
        pointer[place] = Float(u < 0 ? -magnitude : magnitude)
      }
    }
    let student = Tensor.filled([count]) { pointer in
      for place in 0..<count {
        let pairs = (0..<3).map { _ in random.normalPair() }
        let squares = [pairs[0].1, pairs[1].0, pairs[1].1, pairs[2].0, pairs[2].1].reduce(0.0) {
          $0 + Double($1) * Double($1)
        }
        pointer[place] = Float(Double(pairs[0].0) / (squares / 5).squareRoot())
      }
    }
    return [normal, laplace, student]
  }()

  private func decibels(_ quantizer: Quantizer, _ x: Tensor) throws -> Double {
    let y = try quantizer.projected(x)
    var (signal, noise) = (0.0, 0.0)
    x.withElements { x in
      y.withElements { y in
        for place in 0..<Self.count {
          signal += Double(x[place]) * Double(x[place])
          let error = Double(x[place]) - Double(y[place])
          noise += error * error
        }
      }
    }
    return 10 * log10(signal / noise)
  }

  @Test(
    "MX all six formats, E8M0: the published signal-to-noise ratios",
    arguments: [
      ("int8", [41.7, 40.0, 40.0]), ("e4m3", [30.6, 30.0, 30.0]), ("e5m2", [25.4, 25.2, 25.2]),
      ("e2m3", [30.9, 30.3, 30.3]), ("e3m2", [25.4, 25.2, 25.2]), ("e2m1", [18.8, 17.9, 18.0]),
    ])
  func ratios(_ name: String, _ expected: [Double]) throws {
    let quantizer = try microscaled(namedFormat(name))
    for (sample, figure) in zip(Self.samples, expected) {
      let ratio = try decibels(quantizer, sample)
      #expect(abs(ratio - figure) <= 0.1, "\(ratio) dB, not \(figure)")
    }
  }

  @Test("real scales: int4 and int8 in blocks of 32, and NVFP4-like blocks of 16 (20.4 dB on N)")
  func realScales() throws {
    for (quantizer, expected) in [
      (try Quantizer(namedFormat("int4-restricted"), .group(32)), [20.3, 18.3, 18.3]),
      (try Quantizer(namedFormat("int8"), .group(32)), [45.4, 43.4, 43.4]),
      (try Quantizer(Minifloat.e2m1, .group(16), scaleFormat: .e4m3), [20.4, 20.7, 20.7]),
    ] {
      for (sample, figure) in zip(Self.samples, expected) {
        let ratio = try decibels(quantizer, sample)
        #expect(abs(ratio - figure) <= 0.1, "\(quantizer.format.name): \(ratio) dB, not \(figure)")
      }
    }
  }
}
