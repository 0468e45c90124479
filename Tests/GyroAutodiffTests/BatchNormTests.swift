import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct BatchNormTests {
  private func inputs(_ shape: Shape, mean: Float = 0, seed: UInt64 = 1) -> [Tensor] {
    var random = RandomStream(seed: seed)
    return [
      random.normal(shape, mean: mean, standardDeviation: 2), random.normal([shape[1]], mean: 1),
      random.normal([shape[1]]),
    ]
  }

  /// Mean and biased variance of a channel, in double precision.
  private func moments(_ x: Tensor, _ channel: Int) -> (mean: Double, variance: Double) {
    let plane = x.count / x.shape[0] / x.shape[1], elements = x.elements
    let own = (0..<x.shape[0]).flatMap { n in
      (0..<plane).map { Double(elements[(n * x.shape[1] + channel) * plane + $0]) }
    }
    let mean = own.reduce(0, +) / Double(own.count)
    return (mean, own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count))
  }

  @Test(arguments: [[2, 3, 5, 7], [7, 2, 1, 1], [3, 1, 70, 61], [9, 4]], [0, 1000] as [Float])
  func `values and statistics equal the definition`(_ extents: [Int], _ mean: Float) {
    let shape = Shape(extents), x = inputs(shape, mean: mean), source = x[0].elements
    let result = Variable(constant: x[0]).batchNormalized(
      weight: Variable(constant: x[1]), bias: Variable(constant: x[2]))
    let expected = (0..<shape[1]).map { moments(x[0], $0) }
    #expect(result.count == shape.count / shape[1])
    expectClose(result.mean.elements, expected.map { Float($0.mean) }, relative: 1e-6)
    expectClose(result.variance.elements, expected.map { Float($0.variance) }, relative: 1e-4)
    let plane = shape.count / shape[0] / shape[1]
    let wanted = source.indices.map { i in
      let c = i / plane % shape[1]
      let deviation = (expected[c].variance + 1e-5).squareRoot()
      let normal = (Double(source[i]) - expected[c].mean) / deviation
      return Float(normal * Double(x[1][c]) + Double(x[2][c]))
    }
    // The mean is rounded to Float: half a unit of 1000 is 3e-5.
    expectClose(result.output.value.elements, wanted, relative: 1e-4, absolute: 1e-4)
    // Given its own statistics, evaluation is the same function.
    let again = Variable(constant: x[0]).batchNormalized(
      mean: result.mean, variance: result.variance, weight: Variable(constant: x[1]),
      bias: Variable(constant: x[2]))
    expectSameBits(again.value, result.output.value)
  }

  @Test func `gradients are the derivatives in training`() {
    let x = inputs([3, 4, 5, 3])
    checkGradients(of: x) {
      $0[0].batchNormalized(weight: $0[1], bias: $0[2]).output
    }
    checkNeeds(BatchNormOp(epsilon: 1e-5, lower: -.infinity, upper: .infinity, statistics: nil), x)
  }

  @Test func `gradients are the derivatives in evaluation`() {
    let x = inputs([3, 4, 5, 3])
    let mean = Tensor([4], elements: [0.5, -1, 0, 2])
    let variance = Tensor([4], elements: [1, 0.25, 4, 2])
    checkGradients(of: x) {
      $0[0].batchNormalized(mean: mean, variance: variance, weight: $0[1], bias: $0[2])
    }
    let op = BatchNormOp(
      epsilon: 1e-5, lower: -.infinity, upper: .infinity, statistics: (mean, variance))
    checkNeeds(op, x)
  }

  @Test(arguments: [0...Float.infinity, 0...0.8])
  func `limits are a fused rectifier`(_ limits: ClosedRange<Float>) {
    let x = inputs([4, 3, 6, 5])
    var random = RandomStream(seed: 9)
    let cotangent = random.normal(x[0].shape)
    let (fused, gradients) = valueAndGradients(of: x, cotangent: cotangent) {
      $0[0].batchNormalized(weight: $0[1], bias: $0[2], limits: limits).output
    }
    // The same in two steps, with the rectifier's gradient written out.
    let (plain, _) = valueAndGradients(of: x) {
      $0[0].batchNormalized(weight: $0[1], bias: $0[2]).output
    }
    let limited = plain.elements.map { min(max($0, limits.lowerBound), limits.upperBound) }
    expectSameBits(fused, Tensor(plain.shape, elements: limited))
    let passed = zip(plain.elements, cotangent.elements).map { y, g in
      y > limits.lowerBound && y < limits.upperBound ? g : 0
    }
    let (_, expected) = valueAndGradients(
      of: x, cotangent: Tensor(plain.shape, elements: passed)
    ) { $0[0].batchNormalized(weight: $0[1], bias: $0[2]).output }
    for (a, b) in zip(gradients, expected) { expectSameBits(a, b) }
  }

  @Test func `the gradient of a constant shift is zero`() {
    let x = inputs([4, 2, 5, 5])
    let (_, gradients) = valueAndGradients(of: x) {
      $0[0].batchNormalized(weight: $0[1], bias: $0[2]).output
    }
    // The sum of the normalized values does not depend on the input at all.
    expectClose(gradients[0], .zeros(x[0].shape), absolute: 1e-6)
  }
}
