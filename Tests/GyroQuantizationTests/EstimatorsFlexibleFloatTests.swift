import Foundation
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

/// The quantizer of 2208.09225 §4 with learned largest value and mantissa bits.
struct EstimatorsFlexibleFloatTests {
  let quantizer = try! Quantizer(Minifloat.allFinite(exponentBits: 4, mantissaBits: 3), .tensor)
  let estimator = FlexibleFloat()

  private func state(_ maximum: Float, _ bits: Float) -> [String: Tensor] {
    ["maximum": vector([maximum]), "mantissa_bits": vector([bits])]
  }

  private func bias(_ maximum: Double, _ bits: Double) -> Double {
    exp2(7 - bits) - log2(maximum) + log2(2 - exp2(-bits)) - 1
  }

  /// The step at x, and the exponent that a gradient holds fixed.
  private func step(_ x: Double, _ maximum: Double, _ bits: Double) -> (exponent: Double, Double) {
    let bias = bias(maximum, bits)
    let exponent = max(floor(log2(min(abs(x), maximum)) + bias), 1)
    return (exponent, exp2(exponent - bits - bias))
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6])
  func gridIsTheScaledCodeTableAndThePapersFormula(_ bits: Int) throws {
    let maximum: Float = 1.7
    let format = Minifloat.allFinite(exponentBits: 7 - bits, mantissaBits: bits)
    let table = format.values.map { $0 * (maximum / format.largest) }
    let state = state(maximum, Float(bits) + 0.3)
    let onTable = try Pass(estimator, quantizer, vector(table), state).value
    #expect(onTable.elements == table)
    var stream = RandomStream(seed: UInt64(bits))
    let x = stream.uniform([400], in: -2..<2)
    let value = try Pass(estimator, quantizer, x, state).value.elements
    #expect(Set(value).isSubset(of: Set(table.map { $0 + 0 })))
    let expected = x.elements.map { element -> Float in
      let clipped = min(max(Double(element), -Double(maximum)), Double(maximum))
      let (_, step) = step(clipped, Double(maximum), Double(bits))
      return Float(step * (clipped / step).rounded(.toNearestOrEven))
    }
    expectClose(value, expected, relative: 1e-5)
  }

  @Test func zeroStaysZeroWithoutALogarithm() throws {
    let pass = try Pass(estimator, quantizer, vector([0, -0, 1]), state(1, 3))
    #expect(pass.value.elements == [0, 0, 1])
    #expect(pass.states.values.allSatisfy { $0.allFinite } && pass.x.allFinite)
  }

  @Test func maximumGradientIsTheFiniteDifference() throws {
    let h = 1e-5
    for x in [0.013, 0.4, -0.77, 1.2] as [Double] {
      let (maximum, bits) = (1.5, 3.0)
      let (exponent, step) = step(x, maximum, bits)
      let code = (x / step).rounded(.toNearestOrEven)
      func straightThrough(_ maximum: Double) -> Double {
        let moved = exp2(exponent - bits - bias(maximum, bits))
        return moved * (code + x / moved - x / step)
      }
      let expected = (straightThrough(maximum + h) - straightThrough(maximum - h)) / (2 * h)
      let pass = try Pass(estimator, quantizer, vector([Float(x)]), state(1.5, 3))
      expectClose([pass.states["maximum"]!.item], [Float(expected)], relative: 1e-3, absolute: 1e-6)
      #expect(pass.x.item == 1)
    }
    for x in [Float(2), -40] {
      func value(_ maximum: Float) throws -> Float {
        try Pass(estimator, quantizer, vector([x]), state(maximum, 3)).value.item
      }
      let expected = try (value(1.5 + 0x1p-8) - value(1.5 - 0x1p-8)) / 0x1p-7
      let pass = try Pass(estimator, quantizer, vector([x]), state(1.5, 3))
      expectClose([pass.states["maximum"]!.item], [expected], relative: 1e-4)
      #expect(pass.x.item == 0 && pass.states["mantissa_bits"]!.item == 0)
    }
  }

  @Test func mantissaGradientIsTheFiniteDifferenceThroughTheRounding() throws {
    let h = 1e-5
    for x in [0.013, 0.4, -0.77, 1.2] as [Double] {
      let (exponent, step) = step(x, 1.5, 3)
      let code = (x / step).rounded(.toNearestOrEven)
      func straightThrough(_ bits: Double) -> Double {
        let moved = exp2(exponent - bits - bias(1.5, bits))
        return moved * (code + x / moved - x / step)
      }
      let expected = (straightThrough(3 + h) - straightThrough(3 - h)) / (2 * h)
      let pass = try Pass(estimator, quantizer, vector([Float(x)]), state(1.5, 3.2))
      expectClose(
        [pass.states["mantissa_bits"]!.item], [Float(expected)], relative: 1e-3, absolute: 1e-6)
    }
    // Held at an end of its range, M has no gradient.
    let held = try Pass(estimator, quantizer, vector([0.4]), state(1.5, 7))
    #expect(held.states["mantissa_bits"]!.item == 0)
    #expect(estimator.shipped(quantizer, state(1.5, 7)).format.name == "e1m6")
  }

  @Test func aLearnedMaximumFindsTheGaussiansClip() throws {
    let x = gaussianQuantiles(4096)
    let float = try Quantizer(Minifloat.allFinite(exponentBits: 1, mantissaBits: 6), .tensor)
    let start = try initialState(FlexibleFloat(learnsMantissa: false), float, x * 2)
    let learned = try descend(
      estimator, float, x, start, rate: 400, steps: 150, except: "mantissa_bits")
    #expect(learned.errors.last! < 0.5 * learned.errors.first!)
    #expect(throws: QuantizationError.self) {
      try initialState(estimator, Quantizer(IntegerFormat.int8, .tensor), x)
    }
  }
}
