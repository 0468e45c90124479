import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroPostTraining

/// Every kind of quantizer there is for weights of 64 columns.
private func quantizers() throws -> [Quantizer] {
  [
    try Quantizer(IntegerFormat(bits: 4), .channel),
    try Quantizer(IntegerFormat(bits: 3), .tensor),
    try Quantizer(IntegerFormat(bits: 2), .channel, isSymmetric: false),
    try Quantizer(IntegerFormat(bits: 4), .group(16), scaleFormat: .float16),
    try Quantizer(IntegerFormat(bits: 3), .group(32), isSymmetric: false),
    try Quantizer(IntegerFormat(bits: 4), .block(rows: 8, columns: 32)),
    try Quantizer(IntegerFormat(bits: 8), .channel, scaleFormat: .powerOfTwo),
    try Quantizer(Minifloat.e4m3, .channel),
    try Quantizer(FormatNames.format("e2m1")!, .group(16), scaleFormat: .e4m3),
    try Quantizer(FormatNames.format("e2m1")!, .group(32), scaleFormat: .e8m0),
    try Quantizer(FormatNames.format("e2m1")!, .block(rows: 8, columns: 16), scaleFormat: .e4m3),
    try Quantizer(Codebook.normalFloat4, .group(32)),
    try Quantizer(Codebook.ternary, .channel),
    try Quantizer(Codebook.additivePowerOfTwo(bits: 5), .channel),
  ]
}

private func name(_ quantizer: Quantizer) -> String {
  "\(quantizer.format.name) \(quantizer.granularity) \(quantizer.scaleFormat)"
    + (quantizer.isSymmetric ? "" : " asymmetric")
}

private let variants = [
  GPTQ(), GPTQ(ordersByActivation: true), GPTQ(blockSize: 7, hasStaticGroups: true),
  GPTQ(blockSize: 24),
]

@Suite struct GPTQLawTests {
  private let weight = randomWeight(40, 64, seed: 3)

  @Test func underAMultipleOfTheIdentityItIsPlainRounding() throws {
    let hessian = Hessian(2.5 * Matrix64.identity(64))
    for quantizer in try quantizers() {
      let plain = try quantizer.quantized(weight)
      for gptq in variants {
        let result = try gptq.quantized(weight, hessian: hessian, quantizer: quantizer)
        expectSame(result.codes.codeArray, plain.codeArray, name(quantizer))
        expectSame(
          result.codes.scales.scales.elements, plain.scales.scales.elements, name(quantizer))
        #expect(result.codes.scales.tensorScale == plain.scales.tensorScale)
      }
    }
  }

  @Test func whatComesOutLiesOnTheQuantizersGrid() throws {
    let hessian = try hessian(of: correlatedInputs(500, 64, seed: 5))
    for quantizer in try quantizers() {
      for gptq in variants {
        for range in [RangeMethod.minMax, .clipSearch] {
          let codes = try gptq.quantized(
            weight, hessian: hessian, quantizer: quantizer, range: range
          ).codes
          let again = try quantizer.projected(codes.tensor, with: codes.scales)
          expectSameBits(again, codes.tensor, name(quantizer))
          let encoded = quantizer.tensor(of: codes)
          #expect(encoded.encoded != nil)
          expectSameBits(encoded, codes.tensor, name(quantizer))
        }
      }
    }
  }

  @Test func itLosesLessThanPlainRounding() throws {
    let hessian = try hessian(of: correlatedInputs(500, 64, seed: 5))
    for quantizer in try quantizers() {
      let plain = try quantizer.quantized(weight)
      func loss(_ codes: QuantizedTensor) -> Double {
        var difference = codes.tensor.copied()
        difference.add(weight, scaledBy: -1)
        return hessian.meanSquaredOutput(of: difference)
      }
      for gptq in variants {
        let result = try gptq.quantized(weight, hessian: hessian, quantizer: quantizer)
        #expect(loss(result.codes) < loss(plain), "\(name(quantizer))")
      }
    }
  }

  @Test func scalesThatAreGivenAreKept() throws {
    let hessian = try hessian(of: correlatedInputs(300, 64, seed: 8))
    let quantizer = try Quantizer(IntegerFormat(bits: 4), .group(16))
    let given = GroupScales(scales: Tensor([160], repeating: 0.03))
    let result = try GPTQ().quantized(
      weight, hessian: hessian, quantizer: quantizer, scales: given)
    expectSame(result.codes.scales.scales.elements, given.scales.elements)
  }

  @Test func groupsFoundOnTheWayDifferFromThoseFoundBefore() throws {
    let hessian = try hessian(of: correlatedInputs(300, 64, seed: 8))
    let quantizer = try Quantizer(IntegerFormat(bits: 3), .group(16))
    let before = try quantizer.scales(covering: weight)
    let moving = try GPTQ().quantized(weight, hessian: hessian, quantizer: quantizer)
    let fixed = try GPTQ(hasStaticGroups: true).quantized(
      weight, hessian: hessian, quantizer: quantizer)
    expectSame(fixed.codes.scales.scales.elements, before.scales.elements)
    let scales = moving.codes.scales.scales.elements
    #expect(zip(scales, before.scales.elements).contains { $0 != $1 })
    // The first group of a row comes before any error.
    #expect(scales[0] == before.scales.elements[0])
  }

  @Test func aTensorsOwnScaleStaysThatOfTheWholeWeight() throws {
    let hessian = try hessian(of: correlatedInputs(300, 64, seed: 8))
    let quantizer = try Quantizer(
      FormatNames.format("e2m1")!, .group(16), scaleFormat: .e4m3)
    let whole = try quantizer.scales(covering: weight).tensorScale
    let result = try GPTQ().quantized(weight, hessian: hessian, quantizer: quantizer)
    #expect(result.codes.scales.tensorScale == whole)
  }

  @Test func columnsWithoutInputsBecomeZero() throws {
    var inputs = correlatedInputs(300, 64, seed: 8)
    inputs.withMutableElements { x in
      for row in 0..<300 {
        x[row * 64 + 5] = 0
        x[row * 64 + 63] = 0
      }
    }
    let quantizer = try Quantizer(IntegerFormat(bits: 4), .channel)
    for gptq in variants {
      let result = try gptq.quantized(
        weight, hessian: try hessian(of: inputs), quantizer: quantizer)
      let values = result.codes.tensor
      for row in 0..<40 { #expect(values[row, 5] == 0 && values[row, 63] == 0) }
    }
  }

  @Test func twoRunsGiveTheSameBits() throws {
    let inputs = correlatedInputs(3000, 64, seed: 9)
    let quantizer = try Quantizer(IntegerFormat(bits: 3), .group(16))
    let results = try (0..<2).map { _ in
      try GPTQ().quantized(weight, hessian: try hessian(of: inputs), quantizer: quantizer)
    }
    expectSame(results[0].codes.codeArray, results[1].codes.codeArray)
    #expect(results[0].loss == results[1].loss)
  }

  @Test func dampingIsRaisedUntilTheHessianIsPositiveDefinite() throws {
    let quantizer = try Quantizer(IntegerFormat(bits: 4), .channel)
    // Two columns that are one: without damping there is no factor.
    let hessian = Hessian(Matrix64(rows: 2, columns: 2, elements: [4, 4, 4, 4]))
    let pair = Tensor([1, 2], elements: [0.3, -0.7])
    let result = try GPTQ(damping: 0).quantized(pair, hessian: hessian, quantizer: quantizer)
    #expect(result.damping == 0.01)
    let indefinite = Hessian(-1 * Matrix64.identity(2))
    let error = #expect(throws: PostTrainingError.self) {
      try GPTQ().quantized(
        pair, hessian: indefinite, quantizer: quantizer, at: "mlp.up_proj.weight")
    }
    #expect(
      error?.description
        == "mlp.up_proj.weight: the Hessian is not positive definite, even with 10.0 of its mean "
        + "diagonal added; use more calibration samples, or a larger damping")
  }

  @Test func aWeightThatIsNotFiniteIsNamed() throws {
    var broken = weight
    broken.withMutableElements { $0[2 * 64 + 7] = .nan }
    let quantizer = try Quantizer(IntegerFormat(bits: 4), .channel)
    let error = #expect(throws: PostTrainingError.self) {
      try GPTQ().quantized(
        broken, hessian: Hessian(Matrix64.identity(64)), quantizer: quantizer,
        range: .clipSearch, at: "fc1.weight")
    }
    #expect(
      error?.description
        == "fc1.weight holds a value that is not finite in row 2; it cannot be quantized")
  }
}
