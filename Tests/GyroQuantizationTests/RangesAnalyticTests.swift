import Foundation
import GyroQuantization
import GyroTensors
import Testing

@Suite("Ranges in closed form")
struct RangesAnalyticTests {
  @Test("batch norm: min(β − αγ) … max(β + αγ), α = 6")
  func batchNorm() throws {
    let scale = Tensor([3], elements: [1, 0.5, -2])
    let shift = Tensor([3], elements: [0.5, -4, 1])
    #expect(try BatchNormRange.range(scale: scale, shift: shift) == -11...13)
    #expect(
      try BatchNormRange.channelRanges(scale: scale, shift: shift, alpha: 1)
        == [-0.5...1.5, -4.5 ... -3.5, -1...3])
    #expect(
      try BatchNormRange.channelRanges(scale: scale, shift: shift, alpha: 1, isRectified: true)
        == [0...1.5, 0...0, 0...3])
    #expect(throws: RangeError.empty(site: "batch norm")) {
      try BatchNormRange.range(scale: .zeros([0]), shift: .zeros([0]))
    }
    #expect(throws: RangeError.notFinite(site: "features.0")) {
      try BatchNormRange.range(
        scale: Tensor([1], elements: [.nan]), shift: .zeros([1]), site: "features.0")
    }
  }

  @Test("ACIQ: clips for 1 to 8 bits; one-sided data take the entry of one bit more")
  func analyticClips() {
    let gauss = [1.2399, 1.7106, 2.1516, 2.5591, 2.9362, 3.2869, 3.6151, 3.9240]
    let laplace = [1.8628, 2.8307, 3.8972, 5.0286, 6.2048, 7.4131, 8.6456, 9.8968]
    for bits in 1...8 {
      #expect(abs(AnalyticClip.clip(.gaussian, bits: bits) - gauss[bits - 1]) < 1e-3)
      #expect(abs(AnalyticClip.clip(.laplace, bits: bits) - laplace[bits - 1]) < 1e-3)
      if bits < 8 {
        let clip = AnalyticClip.clip(.laplace, bits: bits, isOneSided: true)
        #expect(abs(clip - laplace[bits]) < 1e-3)
      }
    }
  }

  @Test("ACIQ of a stream finds which distribution fits, and the half that a rectifier leaves")
  func analyticStreams() throws {
    func observed(_ data: Tensor, _ bits: Int, isSigned: Bool = true) throws -> Float {
      var observer = try RangeObserver(.analytic())
      try observer.observe(data)
      return try observer.range(for: .tensor(IntegerFormat(bits: bits, isSigned: isSigned)))
        .upperBound
    }
    #expect(abs(try observed(KnownData.normal, 4) - 2.5591) < 5e-3)
    #expect(abs(try observed(KnownData.laplace, 4) - 5.0286) < 2e-2)
    let rectified = KnownData.normal.clamped(to: 0...100)
    #expect(abs(try observed(rectified, 4, isSigned: false) - 2.9362) < 1e-2)
    let exponential = KnownData.laplace.clamped(to: 0...100)
    #expect(abs(try observed(exponential, 4, isSigned: false) - 6.2048) < 3e-2)
    // Around a mean of its own, with a zero point.
    var shifted = try RangeObserver(.analytic(.gaussian))
    try shifted.observe(KnownData.normal + 1)
    let range = try shifted.range(for: .tensor(IntegerFormat.int4, isSymmetric: false))
    #expect(abs(range.lowerBound + 1.5591) < 5e-3)
    #expect(abs(range.upperBound - 3.5591) < 5e-3)
  }

  @Test("bit allocation: bins in proportion to σ^⅔, within the budget, better than equal bits")
  func bitAllocation() {
    #expect(BitAllocation.bits(spreads: [1, 1, 1], average: 4) == [4, 4, 4])
    // σ^⅔ of 8 and 1 is 4 and 1: 32 bins are shared 25.6 to 6.4, and 16 + 8 bins fit.
    #expect(BitAllocation.bits(spreads: [8, 1], average: 4) == [4, 4])
    #expect(BitAllocation.bits(spreads: [27, 1, 1, 1, 0, 0, 0], average: 4)[0] == 6)
    #expect(BitAllocation.bits(spreads: [0, 0], average: 3) == [3, 3])
    var stream = RandomStream(seed: 3)
    for average in 2...5 {
      let spreads = (0..<32).map { _ in Double(exp(2 * stream.normalPair().0)) }
      let bits = BitAllocation.bits(spreads: spreads, average: average)
      func error(_ bits: [Int]) -> Double {
        zip(spreads, bits).reduce(0) { $0 + $1.0 * $1.0 / pow(4, Double($1.1)) }
      }
      #expect(bits.allSatisfy { (1...8).contains($0) })
      #expect(bits.reduce(0) { $0 + 1 << $1 } <= 32 << average)
      #expect(error(bits) < 0.6 * error([Int](repeating: average, count: 32)))
      for (a, b) in zip(spreads.indices, spreads.indices.dropFirst()) where spreads[a] > spreads[b]
      {
        #expect(bits[a] >= bits[b])
      }
    }
  }

  @Test("weight correction: every channel's mean and deviation are restored")
  func weightCorrection() throws {
    var stream = RandomStream(seed: 7)
    let weight = stream.normal([5, 3, 16], mean: 0.2)
    let quantizer = try Quantizer(IntegerFormat(bits: 2), .channel)
    let quantized = try quantizer.projected(
      weight,
      with: quantizer.scales(
        ranges: WeightRanges.ranges(of: weight, quantizer: quantizer, method: .meanSquare())))
    let correction = WeightCorrection(of: weight, quantized: quantized)
    let corrected = correction.corrected(quantized)
    for channel in 0..<5 {
      let exact = weight.sliced(axis: 0, channel..<channel + 1)
      let fixed = corrected.sliced(axis: 0, channel..<channel + 1)
      let plain = quantized.sliced(axis: 0, channel..<channel + 1)
      #expect(abs(exact.mean() - fixed.mean()) < 1e-6)
      #expect(abs(exact.mean() - plain.mean()) > 1e-4)
      let exactNorm = (exact - exact.mean()).sumOfSquares()
      #expect(abs(exactNorm - (fixed - fixed.mean()).sumOfSquares()) < 1e-5 * exactNorm)
    }
    // A constant channel has no deviation to restore: only its mean.
    let flat = Tensor([1, 4], repeating: 0.3)
    let same = WeightCorrection(of: flat, quantized: Tensor([1, 4], repeating: 0.25))
    #expect(same.factors.elements == [1])
    #expect(abs(same.corrected(Tensor([1, 4], repeating: 0.25)).elements[0] - 0.3) < 1e-7)
  }

  @Test("cross-entropy: on logits the loss is at most that of the MSE range, and less at 4 bits")
  func crossEntropy() throws {
    // Many small logits around −3, and one or two winners per row far above.
    var stream = RandomStream(seed: 12)
    var values = stream.normal([128, 50], mean: -3, standardDeviation: 1).elements
    for row in 0..<128 {
      values[row * 50 + stream.integer(below: 50)] = 6 + 4 * stream.uniform()
      values[row * 50 + stream.integer(below: 50)] = 5 + 2 * stream.uniform()
    }
    let logits = Tensor([128, 50], elements: values)
    for bits in [3, 4, 8] {
      for isSymmetric in [true, false] {
        let quantizer = try Quantizer.tensor(IntegerFormat(bits: bits), isSymmetric: isSymmetric)
        func loss(_ method: RangeMethod) throws -> Double {
          let range = try WeightRanges.ranges(of: logits, quantizer: quantizer, method: method)[0]
          return try LogitsRange.crossEntropy(of: logits, quantizer: quantizer, range: range)
        }
        let best = try loss(.crossEntropy)
        #expect(best <= (try loss(.meanSquare())))
        #expect(best <= (try loss(.minMax)))
        if bits == 3 { #expect(best < (try loss(.meanSquare()))) }
        var observer = try RangeObserver(.crossEntropy)
        try observer.observe(logits.sliced(axis: 0, 0..<50))
        try observer.observe(logits.sliced(axis: 0, 50..<128))
        let range = try observer.range(for: quantizer)
        let observed = try LogitsRange.crossEntropy(of: logits, quantizer: quantizer, range: range)
        #expect(observed == best)
      }
    }
    var observer = try RangeObserver(.crossEntropy, site: "lm_head")
    try observer.observe(logits)
    #expect(throws: RangeError.classes(site: "lm_head", expected: 50, got: 49)) {
      try observer.observe(logits.sliced(axis: 1, 0..<49))
    }
  }
}
