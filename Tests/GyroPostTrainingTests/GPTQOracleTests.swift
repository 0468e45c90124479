import GyroQuantization
import GyroTensors
import Testing
import TestSupport

@testable import GyroPostTraining

/// The worked example of 2210.17323's algorithm: two rows, four columns, six inputs. Figures were
/// computed in double precision, apart from this code.
@Suite struct GPTQOracleTests {
  private let numbers = [0.70, -0.35, 0.10, 0.42, -0.25, 0.90, -0.60, 0.15]
  private var weight: Tensor { Tensor([2, 4], elements: numbers.map(Float.init)) }
  private let inputs = Tensor(
    [6, 4],
    elements: [
      1, 0.8, 0.2, -0.1, 0.5, 1, 0.6, 0.3, -0.4, 0.3, 1, 0.7, 0.2, -0.5, 0.4, 1, 1.2, 0.9, -0.3,
      0.1, -0.7, -0.2, 0.5, 0.8,
    ])

  private func rounded(_ bits: Int) throws -> GPTQ.Result {
    var hessian = Hessian(size: 4)
    try hessian.accumulate(inputs)
    let quantizer = try Quantizer(IntegerFormat(bits: bits), .channel, isSymmetric: false)
    return try GPTQ().quantized(weight, hessian: hessian, quantizer: quantizer)
  }

  /// Plain rounding in double precision. (0.15 in steps of 0.1 is exactly between two codes in
  /// Float32, and a little below that in double precision.)
  private func plain(_ bits: Int) -> (codes: [UInt8], values: [Double]) {
    let top = Double((1 << bits) - 1)
    var codes: [UInt8] = [], values: [Double] = []
    for row in [numbers[..<4], numbers[4...]] {
      let (low, high) = (min(row.min()!, 0), max(row.max()!, 0))
      let scale = (high - low) / top
      let zero = (-low / scale).rounded(.toNearestOrEven)
      for number in row {
        let code = min(max((number / scale).rounded(.toNearestOrEven) + zero, 0), top)
        codes.append(UInt8(code))
        values.append(scale * (code - zero))
      }
    }
    return (codes, values)
  }

  /// ‖X (Ŵ − W)ᵀ‖² in double precision.
  private func error(_ values: [Double]) -> Double {
    let difference = zip(values, numbers).map { $0 - $1 }
    let outputs = Matrix64(inputs).matmul(
      Matrix64(rows: 2, columns: 4, elements: difference), transposingOther: true)
    return outputs.elements.reduce(0) { $0 + $1 * $1 }
  }

  private func error(_ codes: QuantizedTensor) -> Double {
    error(codes.tensor.elements.map(Double.init))
  }

  private func isClose(_ value: Double, _ expected: Double) -> Bool {
    abs(value - expected) <= 6e-7
  }

  @Test func fourBits() throws {
    let gptq = try rounded(4), plain = plain(4)
    expectClose(gptq.codes.scales.scales.elements, [0.07, 0.1])
    #expect(gptq.codes.scales.zeroPoints?.elements == [5, 6])
    #expect(gptq.codes.codeArray == [15, 0, 6, 11, 4, 14, 1, 7])
    #expect(plain.codes == [15, 0, 6, 11, 4, 15, 0, 7])
    #expect(isClose(error(gptq.codes), 0.009610))
    #expect(isClose(error(plain.values), 0.018110))
    #expect(isClose(gptq.loss, 0.001713))
    #expect(gptq.damping == 0.01)
  }

  /// −0.25 / 0.5 is exactly between two codes, and goes to the even one.
  @Test func twoBitsWithATie() throws {
    let gptq = try rounded(2), plain = plain(2)
    #expect(gptq.codes.codeArray == [3, 0, 1, 2, 1, 2, 1, 0])
    #expect(plain.codes == [3, 0, 1, 2, 1, 3, 0, 1])
    #expect(isClose(error(gptq.codes), 0.301596))
    #expect(isClose(error(plain.values), 0.450596))
  }

  /// The method is greedy: here it does not win.
  @Test func threeBits() throws {
    let gptq = try rounded(3), plain = plain(3)
    #expect(isClose(error(gptq.codes), 0.045100))
    #expect(isClose(error(plain.values), 0.044920))
  }

  @Test func theErrorFollowsFromTheHessian() throws {
    var hessian = Hessian(size: 4)
    try hessian.accumulate(inputs)
    let gptq = try rounded(4)
    var difference = gptq.codes.tensor
    difference.add(weight, scaledBy: -1)
    let fromHessian = hessian.meanSquaredOutput(of: difference) * Double(hessian.count)
    #expect(abs(fromHessian - error(gptq.codes)) < 1e-7)
  }
}
