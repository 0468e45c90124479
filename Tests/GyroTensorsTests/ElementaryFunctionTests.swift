import CGyroKernels
import Glibc
import GyroTensors
import TestSupport
import Testing

/// The polynomial functions against the double-precision library, in units in the last place.
@Suite struct ElementaryFunctionTests {
  /// Finite floats spread over all magnitudes and both signs, plus a dense grid near the origin.
  static let sample: [Float] =
    stride(from: UInt32(0), to: 0xffff_0000, by: 41_011)
    .map { Float(bitPattern: $0) }.filter(\.isFinite)
    + stride(from: Float(-12), to: 12, by: 0.000_37)

  /// The distance of `value` from `exact` in units in the last place of the nearest Float.
  static func ulps(_ value: Float, _ exact: Double) -> Double {
    let nearest = Float(exact)
    if nearest.isInfinite || value.isInfinite { return nearest == value ? 0 : .infinity }
    return abs(Double(value) - exact) / Double(nearest.ulp)
  }

  static func worst(
    _ op: gyro_unary_op, _ sample: [Float], _ exact: (Double) -> Double
  ) -> (ulps: Double, at: Float) {
    var values = sample
    gyro_unary(op, sample, Int64(sample.count), &values)
    var worst = (ulps: 0.0, at: Float(0))
    for (x, value) in zip(sample, values) {
      let distance = ulps(value, exact(Double(x)))
      if !(distance <= worst.ulps) { worst = (distance, x) }
    }
    return worst
  }

  @Test func exponentialIsWithinTwoUlps() {
    let (ulps, x) = Self.worst(GYRO_EXP, Self.sample) { exp($0) }
    #expect(ulps <= 2, "at \(x)")
  }

  @Test func logarithmIsWithinTwoUlps() {
    let (ulps, x) = Self.worst(GYRO_LOG, Self.sample.filter { $0 > 0 }) { log($0) }
    #expect(ulps <= 2, "at \(x)")
  }

  @Test func tanhIsWithinTwoUlps() {
    let (ulps, x) = Self.worst(GYRO_TANH, Self.sample) { tanh($0) }
    #expect(ulps <= 2, "at \(x)")
  }

  @Test func errorFunctionIsWithinTwoUlps() {
    let (ulps, x) = Self.worst(GYRO_ERF, Self.sample) { erf($0) }
    #expect(ulps <= 2, "at \(x)")
  }

  @Test func sigmoidIsWithinTwoAndAHalfUlps() {
    let (ulps, x) = Self.worst(GYRO_SIGMOID, Self.sample.filter { $0 > -86.6 }) {
      $0 < 0 ? exp($0) / (1 + exp($0)) : 1 / (1 + exp(-$0))
    }
    #expect(ulps <= 2.5, "at \(x)")
  }

  @Test func specialValuesComeOutAsInTheLibrary() {
    let special: [Float] = [.infinity, -.infinity, 0, -0.0, .nan]
    let cases: [(gyro_unary_op, (Double) -> Double)] = [
      (GYRO_EXP, { exp($0) }), (GYRO_LOG, { log($0) }), (GYRO_TANH, { tanh($0) }),
      (GYRO_ERF, { erf($0) }), (GYRO_SIGMOID, { 1 / (1 + exp(-$0)) }),
      (GYRO_SQUARE_ROOT, { $0.squareRoot() }), (GYRO_ROUND, { $0.rounded(.toNearestOrEven) }),
    ]
    for (op, exact) in cases {
      var values = special
      gyro_unary(op, special, Int64(special.count), &values)
      for (x, value) in zip(special, values) {
        let expected = Float(exact(Double(x)))
        if expected.isNaN {
          #expect(value.isNaN, "op \(op.rawValue) of \(x)")
        } else {
          #expect(value == expected, "op \(op.rawValue) of \(x)")
          if expected == 0 { #expect(value.sign == expected.sign, "op \(op.rawValue) of \(x)") }
        }
      }
    }
    #expect(Tensor([1], elements: [-1]).log().item.isNaN)
  }

  @Test func roundingIsHalfToEven() {
    let values: [Float] = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 8_388_609, 1e30, 0.499_999_97, -7.4]
    let rounded = Tensor([values.count], elements: values).rounded().elements
    #expect(rounded == values.map { $0.rounded(.toNearestOrEven) })
  }

  @Test func activationsMatchTheirFormulas() {
    let x = stride(from: Float(-9), through: 9, by: 0.013).map { $0 }
    func compare(_ op: gyro_unary_op, _ formula: (Double) -> Double) {
      var values = x
      gyro_unary(op, x, Int64(x.count), &values)
      expectClose(
        values, x.map { Float(formula(Double($0))) }, relative: 3e-7, absolute: 3e-7,
        "op \(op.rawValue)")
    }
    compare(GYRO_SILU) { $0 / (1 + exp(-$0)) }
    compare(GYRO_GELU) { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }
    compare(GYRO_GELU_TANH) {
      0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0)))
    }
    compare(GYRO_RELU) { max($0, 0) }
    compare(GYRO_RELU6) { min(max($0, 0), 6) }
    compare(GYRO_SQUARE) { $0 * $0 }
    compare(GYRO_ABSOLUTE) { abs($0) }
    compare(GYRO_NEGATE) { -$0 }
  }
}
