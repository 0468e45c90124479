import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroPostTraining

@Suite struct HessianTests {
  private func reference(_ x: Tensor) -> Matrix64 {
    let x = Matrix64(x)
    return 2 / Double(x.rows) * x.matmul(x, transposingSelf: true)
  }

  /// The largest error, as a share of the mean diagonal.
  private func error(_ hessian: Hessian, _ x: Tensor) -> Double {
    let expected = reference(x)
    let mean = (0..<hessian.size).reduce(0) { $0 + expected[$1, $1] } / Double(hessian.size)
    return (hessian.matrix - expected).largestMagnitude / mean
  }

  @Test func smallOnesAreExact() throws {
    let x = correlatedInputs(50, 12, seed: 1)
    #expect(error(try hessian(of: x), x) < 1e-14)
  }

  @Test func everyPrecisionIsFarBelowTheDamping() throws {
    let x = correlatedInputs(2000, 300, seed: 2)
    for (precision, limit) in [
      (MatmulPrecision.float32, 1e-5), (.tiledFloat32, 1e-5), (.splitBFloat16, 1e-4),
    ] {
      var hessian = Hessian(size: 300, precision: precision)
      try hessian.accumulate(x)
      #expect(error(hessian, x) < limit, "\(precision)")
      #expect(hessian.count == 2000)
    }
  }

  @Test func partsAddUpToTheMeanOverAll() throws {
    let x = correlatedInputs(40, 16, seed: 3)
    var parts = Hessian(size: 16)
    try parts.accumulate(x.sliced(axis: 0, 0..<7))
    try parts.accumulate(x.sliced(axis: 0, 7..<40).reshaped([3, 11, 16]))
    try parts.accumulate(Tensor.zeros([0, 16]))
    let whole = try hessian(of: x)
    #expect((parts.matrix - whole.matrix).largestMagnitude < 1e-12)
    #expect(parts.count == 40)
  }

  @Test func quantizedInputsCountAsTheirValues() throws {
    let x = correlatedInputs(600, 256, seed: 4)
    for quantizer in [
      try Quantizer(IntegerFormat.int8, .token), try Quantizer(Minifloat.e4m3, .token),
    ] {
      let onGrid = try quantizer.projected(x)
      #expect(error(try hessian(of: onGrid), onGrid.copied()) < 1e-4)
    }
  }

  @Test func inputsThatAreNotFiniteNameSiteAndColumn() throws {
    for bad in [Float.nan, .infinity] {
      var x = correlatedInputs(50, 12, seed: 1)
      x.withMutableElements { $0[3 * 12 + 7] = bad }
      var hessian = Hessian(size: 12)
      let error = #expect(throws: PostTrainingError.self) {
        try hessian.accumulate(x, at: "model.layers.1.mlp.input")
      }
      #expect(
        error?.description
          == "model.layers.1.mlp.input: the calibration inputs hold a NaN or an infinity in column "
          + "7; look for the layer it comes from")
    }
  }

  @Test func theFactorIsThatOfTheInverse() throws {
    let hessian = try hessian(of: correlatedInputs(80, 20, seed: 5))
    for order in [nil, Array((0..<20).reversed()), RandomStream(seed: 3).permuted(20)] {
      let factor = try HessianFactor(hessian, order: order, damping: 0.01, at: "weight")
      let u = Matrix64(factor.upper)
      var damped = hessian.matrix
      let mean = (0..<20).reduce(0) { $0 + damped[$1, $1] } / 20
      for i in 0..<20 { damped[i, i] += 0.01 * mean }
      var ordered = damped
      for i in 0..<20 { for j in 0..<20 { ordered[i, j] = damped[order?[i] ?? i, order?[j] ?? j] } }
      // (Uᵀ U) H = 1
      let product = u.matmul(u, transposingSelf: true).matmul(ordered)
      #expect((product - Matrix64.identity(20)).largestMagnitude < 1e-4)
      for i in 0..<20 { for j in 0..<i { #expect(u[i, j] == 0) } }
    }
  }
}

extension RandomStream {
  fileprivate func permuted(_ count: Int) -> [Int] {
    var copy = self
    return copy.permutation(count)
  }
}
