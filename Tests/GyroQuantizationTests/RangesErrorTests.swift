import CGyroParallel
import Foundation
import GyroTensors
import Testing

@testable import GyroQuantization

@Suite("MSE ranges of 2106.08295")
struct RangesErrorTests {
  @Test(
    "clips of the optimal uniform quantizer: Gauss and Laplace, one grid step",
    arguments: [
      // bits, Gauss restricted, Gauss full, Laplace restricted
      (2, Float(1.2240), Float(1.0484), Float(2.0000)), (3, 1.9523, 1.8055, 3.4864),
      (4, 2.4739, 2.3703, 4.8199), (5, 2.8987, 2.8319, 6.0980), (6, 3.2701, 3.2296, 7.3586),
      (7, 3.6075, 3.5839, 8.6178), (8, 3.9205, 3.9072, 9.8827),
    ])
  func clips(bits: Int, gauss: Float, gaussFull: Float, laplace: Float) throws {
    let restricted = IntegerFormat(bits: bits, isRestricted: true)
    let full = IntegerFormat(bits: bits)
    for (format, sample, density, expected) in [
      (restricted, KnownData.normal, KnownData.fineNormal, gauss),
      (full, KnownData.normal, KnownData.fineNormal, gaussFull),
      (restricted, KnownData.laplace, KnownData.fineLaplace, laplace),
    ] {
      let quantizer = try Quantizer.tensor(format)
      let step = density.edge(density.bins) / 1000
      let observer = try RangeObserver(.meanSquare(.goldenSection), seen: density)
      let range = try observer.range(for: quantizer)
      #expect(abs(range.upperBound - expected) <= step, "\(format.name): \(range) for \(expected)")
      // A sample's tail is thin: beyond 6 bits too few values are clipped to show the optimum.
      guard bits <= 6 else { continue }
      for method in [RangeMethod.meanSquare(), .meanSquare(.goldenSection)] {
        let range = try WeightRanges.ranges(of: sample, quantizer: quantizer, method: method)[0]
        #expect(
          abs(range.upperBound - expected) <= 1.5 * sample.maximumMagnitude / 1000,
          "\(format.name) by \(method): \(range.upperBound) for \(expected)")
      }
    }
  }

  @Test(
    "over a histogram: NVIDIA's bin, exactly",
    arguments: [
      (0, 8, Float(3.906738)), (0, 4, 2.471191), (1, 8, 9.821777), (1, 4, 4.803223),
      (2, 8, 10.420898), (2, 4, 2.540039),
    ])
  func histogram(source: Int, bits: Int, expected: Float) throws {
    let histogram = [KnownData.halfNormal, KnownData.exponential, KnownData.outliers][source]
    let observer = try RangeObserver(.meanSquare(), seen: histogram)
    let range = try observer.range(for: .tensor(IntegerFormat(bits: bits)))
    #expect(abs(range.upperBound - expected) < 1e-6)
  }

  @Test("float formats: the error of 2208.09225's optimum")
  func floats() throws {
    let table: [(Int, Int, Double, Double)] = [
      (2, 5, 42.666, 39.446), (3, 4, 37.565, 37.536), (4, 3, 31.557, 31.537),
      (5, 2, 25.582, 25.559),
    ]
    let normal = KnownData.fine(limit: 12, bins: 8192, isOneSided: true, KnownData.normalTail)
    let laplaceData = KnownData.fine(
      limit: 30, bins: 16384, isOneSided: true, KnownData.laplaceTail)
    for (exponent, mantissa, gauss, laplace) in table {
      let format = Minifloat.allFinite(exponentBits: exponent, mantissaBits: mantissa)
      let quantizer = try Quantizer.tensor(format)
      for (density, decibel) in [(normal, gauss), (laplaceData, laplace)] {
        let range = try RangeObserver(.meanSquare(), seen: density).range(for: quantizer)
        let found = density.decibel(quantizer, range)
        #expect(abs(found - decibel) < 0.03, "\(format.name): \(found) dB for \(decibel)")
      }
    }
  }

  @Test(
    "asymmetric: the search in turn comes near the whole plane, and finds each end of a mixture")
  func asymmetric() throws {
    // A dense lobe on −1 … 0 with a thin tail up to 8, and a few far values below.
    var stream = RandomStream(seed: 4)
    var values = stream.uniform([4000], in: -1..<0.5).elements
    values += stream.normal([600], mean: 2, standardDeviation: 0.7).elements
    values += [8, -5, 7, -4]
    let x = Tensor([values.count], elements: values)
    let quantizer = try Quantizer.tensor(IntegerFormat.int4, isSymmetric: false)
    let found = try WeightRanges.ranges(of: x, quantizer: quantizer, method: .meanSquare())[0]
    let error = plainError(values, quantizer, found)
    var best = Double.infinity
    for low in 1...40 {
      for high in 1...40 {
        let range = Float(low) * -5 / 40...Float(high) * 8 / 40
        best = min(best, plainError(values, quantizer, range))
      }
    }
    #expect(error <= best * 1.01)
    #expect(error < 0.6 * plainError(values, quantizer, -5...8))
    #expect(found.lowerBound > -3 && found.upperBound < 6)
    // The observer searches the plane itself.
    var observer = try RangeObserver(.meanSquare())
    try observer.observe(x)
    let observed = try observer.range(for: quantizer)
    #expect(plainError(values, quantizer, observed) <= best * 1.01)
    // A one-sided stream has one end.
    var positive = try RangeObserver(.meanSquare())
    try positive.observe(x.magnitude())
    #expect(try positive.range(for: quantizer).lowerBound == 0)
  }

  @Test("clip search: the least |error|^2.4 of GPTQ's eighty ranges")
  func clipSearch() throws {
    var stream = RandomStream(seed: 6)
    let x = stream.normal([6, 64])
    for isSymmetric in [true, false] {
      let quantizer = try Quantizer(IntegerFormat.int4, .channel, isSymmetric: isSymmetric)
      let whole = try Quantizer.tensor(IntegerFormat.int4, isSymmetric: isSymmetric)
      let ranges = try WeightRanges.ranges(of: x, quantizer: quantizer, method: .clipSearch)
      for row in 0..<6 {
        let values = x.sliced(axis: 0, row..<row + 1).elements
        let peak = values.map(abs).max()!
        let low = isSymmetric ? -peak : min(values.min()!, 0)
        let high = isSymmetric ? peak : max(values.max()!, 0)
        let errors = (0..<80).map { step in
          let factor = Float(100 - step) / 100
          return plainError(values, whole, low * factor...high * factor, power: 2.4)
        }
        let found = plainError(values, whole, ranges[row], power: 2.4)
        #expect(found <= errors.min()! * 1.00001)
        let factor = ranges[row].upperBound / high
        #expect(abs(factor * 100 - (factor * 100).rounded()) < 1e-3)
      }
    }
  }

  @Test("a clip search in fewer steps finds the best of fewer ranges, and hardly loses by it")
  func fewerSteps() throws {
    var stream = RandomStream(seed: 7)
    let x = stream.normal([6, 512])
    let quantizer = try Quantizer(IntegerFormat.int4, .channel, isSymmetric: true)
    let whole = try Quantizer.tensor(IntegerFormat.int4)
    func ranges(_ steps: Int) throws -> [ClosedRange<Float>] {
      try WeightRanges.ranges(of: x, quantizer: quantizer, method: .clipSearch, steps: steps)
    }
    let (all, few) = (try ranges(100), try ranges(20))
    for row in 0..<6 {
      let values = x.sliced(axis: 0, row..<row + 1).elements
      let factor = 20 * few[row].upperBound / values.map(abs).max()!
      #expect(abs(factor - factor.rounded()) < 1e-4)
      let (best, found) = (
        plainError(values, whole, all[row], power: 2.4),
        plainError(values, whole, few[row], power: 2.4)
      )
      let widest = plainError(
        values, whole, -values.map(abs).max()!...values.map(abs).max()!, power: 2.4)
      #expect(best <= found && found < widest)
      #expect(found - best < 0.1 * (widest - best))
    }
  }

  @Test("no search is worse than min–max, for every kind of format, scale and symmetry")
  func neverWorse() throws {
    var stream = RandomStream(seed: 8)
    let x = stream.normal([4, 96])
    let formats: [any NumberFormat] = [
      IntegerFormat(bits: 2), IntegerFormat.int8, IntegerFormat(bits: 3, isRestricted: true),
      Minifloat.e2m1, Minifloat.e4m3, Codebook.normalFloat4, Codebook.ternary, Codebook.binary,
    ]
    for format in formats {
      for scaleFormat in ScaleFormat.allCases {
        for isSymmetric in [true, false] where isSymmetric || format is IntegerFormat {
          for method in [RangeMethod.meanSquare(), .meanSquare(.goldenSection)] {
            let quantizer = try Quantizer(
              format, .group(32), scaleFormat: scaleFormat, isSymmetric: isSymmetric)
            let ranges = try WeightRanges.ranges(of: x, quantizer: quantizer, method: method)
            #expect(ranges.count == 12)
            let found = try quantizer.projected(x, with: quantizer.scales(ranges: ranges))
            let plain = try quantizer.projected(x, with: quantizer.scales(covering: x))
            #expect(
              found.sumOfSquaredDifferences(from: x)
                <= plain.sumOfSquaredDifferences(from: x) * 1.000001,
              "\(format.name) \(scaleFormat) \(method)")
          }
        }
      }
    }
  }

  @Test("groups, alone or many, and any number of threads, give the same ranges")
  func groups() throws {
    var stream = RandomStream(seed: 11)
    let x = stream.normal([8, 9000])
    let channel = try Quantizer(IntegerFormat.int4, .channel)
    let whole = try Quantizer.tensor(IntegerFormat.int4)
    let ranges = try WeightRanges.ranges(of: x, quantizer: channel, method: .meanSquare())
    defer { gyro_set_thread_count(0) }
    for threads: Int32 in [1, 2, 3] {
      gyro_set_thread_count(threads)
      #expect(try WeightRanges.ranges(of: x, quantizer: channel, method: .meanSquare()) == ranges)
    }
    for row in 0..<8 {
      let alone = try WeightRanges.ranges(
        of: x.sliced(axis: 0, row..<row + 1), quantizer: whole, method: .meanSquare())
      #expect(alone == [ranges[row]])
    }
  }

  @Test("blocks are searched as blocks; groups of zeros have the range of zero")
  func blocks() throws {
    var values = [Float](repeating: 0, count: 64)
    for row in 0..<4 {
      for column in 0..<4 { values[row * 8 + column] = Float(row + column + 1) }
    }
    let x = Tensor([8, 8], elements: values)
    let quantizer = try Quantizer(IntegerFormat.int8, .block(rows: 4, columns: 4))
    let ranges = try WeightRanges.ranges(of: x, quantizer: quantizer, method: .minMax)
    #expect(ranges == [1...7, 0...0, 0...0, 0...0])
    let searched = try WeightRanges.ranges(of: x, quantizer: quantizer, method: .meanSquare())
    #expect(searched[1...].allSatisfy { $0 == 0...0 })
  }

  @Test("the error kernel equals the definition, for every kind of format, weighted or not")
  func kernel() throws {
    var stream = RandomStream(seed: 14)
    let x = stream.normal([5000])
    let values = x.elements
    let weights = (0..<5000).map { Double($0 % 7) * 1e9 }
    let quantizers = try [
      Quantizer.tensor(IntegerFormat.int4), .tensor(IntegerFormat.int4, isSymmetric: false),
      .tensor(Minifloat.e2m1), .tensor(Minifloat.e5m2), .tensor(Codebook.normalFloat4),
      .tensor(Codebook.ternary), Quantizer(IntegerFormat.int8, .tensor, scaleFormat: .powerOfTwo),
    ]
    let ranges: [ClosedRange<Float>] = [-1...2, -3...0.5, -0.1...0.1, -5...5]
    for quantizer in quantizers {
      for (method, power) in [(RangeMethod.meanSquare(), 2.0), (.clipSearch, 2.4)] {
        let search = RangeSearch(method, quantizer, inPlane: false)
        let plain = search.errors(x, of: ranges)
        let weighted = search.errors(x, weights: weights, of: ranges)
        for (place, range) in ranges.enumerated() {
          let exact = plainError(values, quantizer, range, power: power)
          #expect(abs(plain[place] - exact) < 1e-5 * exact, "\(quantizer.format.name) \(range)")
          let exactWeighted = plainError(
            values, weights: weights, quantizer, range, power: power)
          #expect(abs(weighted[place] - exactWeighted) < 1e-5 * exactWeighted)
        }
      }
    }
  }
}
