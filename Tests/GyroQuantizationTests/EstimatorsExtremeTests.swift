import Foundation
import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

/// One and two bits: BWN and XNOR (1603.05279), TWN (1605.04711), TTQ (1612.01064), DoReFa
/// (1606.06160).
struct EstimatorsExtremeTests {
  let binary = try! Quantizer(Codebook.binary, .channel)
  let ternary = try! Quantizer(Codebook.ternary, .tensor)

  @Test func signTimesMeanMagnitudeLosesOneMinusTwoOverPi() throws {
    let x = gaussianQuantiles(1 << 15).reshaped([1, 1 << 15])
    for estimator in [BinaryWeights(), BinaryWeights(followsScale: false)] {
      let value = try Pass(estimator, binary, x).value
      #expect(abs(value.errorRatio(from: x) - 0.363380) < 1e-4)
    }
    let two = try Pass(BinaryWeights(), binary, Tensor([2, 2], elements: [1, -3, 0, 0.5]))
    #expect(two.value.elements == [2, -2, 0.25, 0.25])
  }

  @Test func binaryGradientsMaskBeyondOneAndFollowTheScale() throws {
    let x = Tensor([1, 4], elements: [0.5, -0.25, 2, -1.5])
    let c = Tensor([1, 4], elements: [1, 2, 3, 4])
    let plain = try Pass(BinaryWeights(followsScale: false), binary, x, cotangent: c)
    #expect(plain.x.elements == [1, 2, 0, 0])
    // α = 4.25 / 4; Σ c sign(x) / 4 = (1 − 2 + 3 − 4) / 4.
    let (scale, mean) = (Float(1.0625), Float(-0.5))
    let full = try Pass(BinaryWeights(), binary, x, cotangent: c)
    expectClose(full.x.elements, [scale + mean, 2 * scale - mean, mean, -mean])
  }

  @Test func ternaryWeightsKeepWhatExceedsSevenTenthsOfTheMean() throws {
    let x = gaussianQuantiles(1 << 15)
    for format in [Codebook.ternary as any NumberFormat, IntegerFormat(bits: 2)] {
      let pass = try Pass(TernaryWeights(), Quantizer(format, .tensor), x)
      #expect(abs(pass.value.errorRatio(from: x) - 0.191625) < 1e-4)
      let elements = pass.value.elements
      let zeros = Double(elements.count { $0 == 0 }) / Double(x.count)
      #expect(abs(zeros - 0.4235) < 1e-4)
      #expect(abs(elements.max()! - 1.18416) < 1e-3 && elements.min() == -elements.max()!)
      #expect(pass.x.elements.allSatisfy { $0 == 1 })
      #expect((pass.value.wholeGrid != nil) == (format is IntegerFormat))
    }
  }

  @Test func trainedTernaryLearnsALevelOnEachSide() throws {
    let estimator = TrainedTernary(threshold: 0.25)
    let x = vector([4, 0.9, -0.5, -2, -3]), c = vector([1, 2, 3, 4, 5])
    let state = ["positive": vector([1.5]), "negative": vector([0.7])]
    let pass = try Pass(estimator, ternary, x, state, cotangent: c)
    #expect(pass.value.elements == [1.5, 0, 0, -0.7, -0.7])
    #expect(pass.states["positive"]!.item == 1 && pass.states["negative"]!.item == -9)
    expectClose(pass.x.elements, [1.5, 2, 3, 0.7 * 4, 0.7 * 5])
    let start = try initialState(estimator, ternary, x)
    #expect(start["positive"]!.item == 3 && start["negative"]!.item == 3)
    // Learned levels of lopsided data settle at the means of what they stand for.
    let learned = try descend(estimator, ternary, x, start, rate: 0.2, steps: 200).states
    #expect(abs(learned["positive"]!.item - 4) < 1e-2)
    #expect(abs(learned["negative"]!.item - 2.5) < 1e-2)
  }

  @Test func doReFaWeightsAreThePapersOnThePapersGrid() throws {
    let x = gaussianQuantiles(500)
    for bits in [1, 2, 4] {
      let quantizer = try Quantizer(DoReFa.grid(bits: bits), .tensor)
      let value = try Pass(DoReFa(), quantizer, x).value
      let largest = x.elements.map { tanh(Double($0)) }.max()!
      let steps = Double((1 << bits) - 1)
      let expected = x.elements.map { element -> Float in
        let ratio = tanh(Double(element)) / (2 * largest) + 0.5
        return Float(2 * (ratio * steps).rounded() / steps - 1)
      }
      expectClose(value.elements, expected)
    }
  }

  @Test func doReFaGradientIsThatOfTheTanh() throws {
    var stream = RandomStream(seed: 2)
    checkGradients(of: [stream.normal([40])]) { .apply(NormalizedTanhOp(), to: $0[0]) }
    let int4 = try Quantizer(IntegerFormat.int4, .tensor)
    let pass = try Pass(DoReFa(), int4, stream.normal([9, 7]))
    #expect(pass.value.wholeGrid != nil && pass.value.maximumMagnitude == 1)
    let zeros = try Pass(DoReFa(), int4, .zeros([3]))
    #expect(zeros.value.elements == [0, 0, 0])
    #expect(throws: NotFiniteRow.self) { try Pass(DoReFa(), int4, vector([0, .infinity])) }
  }

  @Test func doReFaActivationsClipToTheUnitInterval() throws {
    let uint2 = try Quantizer(IntegerFormat(bits: 2, isSigned: false), .tensor)
    let pass = try Pass(DoReFa(), uint2, vector([-0.5, 0.2, 0.6, 0.9, 1.5]))
    expectClose(pass.value.elements, [0, 1 / 3, 2 / 3, 1, 1])
    #expect(pass.x.elements == [0, 1, 1, 1, 0])
  }
}
