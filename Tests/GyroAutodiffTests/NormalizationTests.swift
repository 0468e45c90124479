import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct NormalizationTests {
  /// Input, weight, bias and cotangent of a shape.
  private func inputs(_ shape: Shape, mean: Float = 0, seed: UInt64 = 1) -> [Tensor] {
    var random = RandomStream(seed: seed)
    return [
      random.normal(shape, mean: mean, standardDeviation: 2),
      random.normal([shape.columns], mean: 1), random.normal([shape.columns]),
      random.normal(shape),
    ]
  }

  private static let shapes = [[1, 1], [3, 5], [2, 7, 33], [130, 64], [65, 515]]

  @Test(arguments: shapes)
  func `root mean square normalization equals its definition`(_ extents: [Int]) {
    let shape = Shape(extents), x = inputs(shape), epsilon: Float = 1e-5
    let (y, gradients) = valueAndGradients(of: [x[0], x[1]], cotangent: x[3]) {
      $0[0].rmsNormalized(weight: $0[1], epsilon: epsilon)
    }
    let d = shape.columns
    let (values, cotangent) = (x[0].elements.map(Double.init), x[3].elements.map(Double.init))
    let weight = x[1].elements.map(Double.init)
    var expected = [Double](), dx = expected, dweight = [Double](repeating: 0, count: d)
    for row in 0..<shape.rows {
      let v = values[row * d..<(row + 1) * d].map { $0 }
      let dy = cotangent[row * d..<(row + 1) * d].map { $0 }
      let r = 1 / (v.reduce(0) { $0 + $1 * $1 } / Double(d) + Double(epsilon)).squareRoot()
      let overlap = (0..<d).reduce(0) { $0 + weight[$1] * dy[$1] * v[$1] } / Double(d)
      for i in 0..<d {
        expected.append(v[i] * r * weight[i])
        dx.append(r * (weight[i] * dy[i] - v[i] * r * r * overlap))
        dweight[i] += dy[i] * v[i] * r
      }
    }
    expectClose(y.elements, expected.map(Float.init), relative: 1e-6)
    expectClose(gradients[0].elements, dx.map(Float.init), relative: 1e-5, absolute: 2e-6)
    expectClose(gradients[1].elements, dweight.map(Float.init), relative: 1e-5, absolute: 2e-5)
  }

  @Test(arguments: shapes, [0, 1000] as [Float])
  func `layer normalization equals its definition`(_ extents: [Int], _ mean: Float) {
    let shape = Shape(extents), x = inputs(shape, mean: mean), epsilon: Float = 1e-5
    let (y, gradients) = valueAndGradients(of: [x[0], x[1], x[2]], cotangent: x[3]) {
      $0[0].layerNormalized(weight: $0[1], bias: $0[2], epsilon: epsilon)
    }
    let d = shape.columns
    let (values, cotangent) = (x[0].elements.map(Double.init), x[3].elements.map(Double.init))
    let weight = x[1].elements.map(Double.init), bias = x[2].elements.map(Double.init)
    var expected = [Double](), dx = expected
    var dweight = [Double](repeating: 0, count: d), dbias = dweight
    for row in 0..<shape.rows {
      let v = values[row * d..<(row + 1) * d].map { $0 }
      let dy = cotangent[row * d..<(row + 1) * d].map { $0 }
      let mean = v.reduce(0, +) / Double(d)
      let centered = v.map { $0 - mean }
      let variance = centered.reduce(0) { $0 + $1 * $1 } / Double(d)
      let r = 1 / (variance + Double(epsilon)).squareRoot()
      let g = (0..<d).map { weight[$0] * dy[$0] }
      let plain = g.reduce(0, +) / Double(d)
      let overlap = (0..<d).reduce(0) { $0 + g[$1] * centered[$1] } / Double(d)
      for i in 0..<d {
        expected.append(centered[i] * r * weight[i] + bias[i])
        dx.append(r * (g[i] - plain - centered[i] * r * r * overlap))
        dweight[i] += dy[i] * centered[i] * r
        dbias[i] += dy[i]
      }
    }
    // The mean is rounded to Float: half a unit of 1000 is 3e-5. A row of one element has nothing
    // but that error left, divided by √ε.
    let loose: Float = mean == 0 ? 2e-6 : 2e-4
    if d == 1 && mean != 0 { return }
    expectClose(y.elements, expected.map(Float.init), relative: 1e-5, absolute: loose)
    expectClose(gradients[0].elements, dx.map(Float.init), relative: 1e-4, absolute: loose)
    expectClose(
      gradients[1].elements, dweight.map(Float.init), relative: 1e-4, absolute: 20 * loose)
    expectClose(gradients[2].elements, dbias.map(Float.init), relative: 1e-5, absolute: 1e-5)
  }

  @Test func `gradients are the derivatives`() {
    let x = inputs([3, 4, 19])
    checkGradients(of: [x[0], x[1]]) { $0[0].rmsNormalized(weight: $0[1], epsilon: 1e-5) }
    checkNeeds(RMSNormOp(epsilon: 1e-5), [x[0], x[1]])
    checkGradients(of: Array(x[0...2])) {
      $0[0].layerNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-5)
    }
    checkNeeds(LayerNormOp(epsilon: 1e-5), Array(x[0...2]))
  }

  @Test func `a row of zeros stays zero and its gradient is finite`() {
    let x = Tensor.zeros([2, 20]), weight = Tensor.ones([20])
    let (y, gradients) = valueAndGradients(of: [x, weight]) {
      $0[0].rmsNormalized(weight: $0[1], epsilon: 1e-6)
    }
    expectSameBits(y, x)
    expectClose(gradients[0].elements, [Float](repeating: 1000, count: 40))
    expectSameBits(gradients[1], .zeros([20]))
  }

  @Test func `strided inputs count by their values`() {
    let x = inputs([12, 18]), turned = x[0].transposed()
    let weight = Variable(constant: inputs([1, 12])[1])
    let view = Variable(constant: turned).rmsNormalized(weight: weight, epsilon: 1e-5)
    let plain = Variable(constant: turned.copied()).rmsNormalized(weight: weight, epsilon: 1e-5)
    expectSameBits(view.value, plain.value)
  }
}
