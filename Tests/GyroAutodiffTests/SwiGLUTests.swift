import Glibc
import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct SwiGLUTests {
  @Test(arguments: [[1], [7], [3, 5, 43], [2, 40_000]])
  func `values and gradients equal the definition`(_ extents: [Int]) {
    var random = RandomStream(seed: 3)
    let shape = Shape(extents)
    let gate = random.normal(shape, standardDeviation: 4), up = random.normal(shape)
    let cotangent = random.normal(shape)
    let (y, gradients) = valueAndGradients(of: [gate, up], cotangent: cotangent) {
      $0[0].swiGLU($0[1])
    }
    var expected = ([Float](), [Float](), [Float]())
    for ((gate, up), dy) in zip(zip(gate.elements, up.elements), cotangent.elements) {
      let g = Double(gate), sigmoid = 1 / (1 + exp(-g))
      expected.0.append(Float(g * sigmoid * Double(up)))
      expected.1.append(Float(Double(dy) * Double(up) * sigmoid * (1 + g * (1 - sigmoid))))
      expected.2.append(Float(Double(dy) * g * sigmoid))
    }
    expectClose(y.elements, expected.0, relative: 1e-6, absolute: 1e-30)
    expectClose(gradients[0].elements, expected.1, relative: 1e-5, absolute: 1e-6)
    expectClose(gradients[1].elements, expected.2, relative: 1e-6, absolute: 1e-30)
  }

  @Test func `gradients are the derivatives`() {
    var random = RandomStream(seed: 4)
    let inputs = [random.normal([3, 4, 11]), random.normal([3, 4, 11])]
    checkGradients(of: inputs) { $0[0].swiGLU($0[1]) }
    checkNeeds(SwiGLUOp(), inputs)
  }

  @Test func `it is the product of silu and the other operand`() {
    var random = RandomStream(seed: 5)
    let gate = random.normal([4, 21]), up = random.normal([4, 21])
    let fused = Variable(constant: gate).swiGLU(Variable(constant: up))
    let parts = Variable(constant: gate).silu() * Variable(constant: up)
    expectSameBits(fused.value, parts.value)
  }

  @Test func `large gates neither overflow nor lose their gradient`() {
    let gate = Tensor([4], elements: [1e30, -1e30, 200, -200]), up = Tensor.ones([4])
    let (y, gradients) = valueAndGradients(of: [gate, up]) { $0[0].swiGLU($0[1]) }
    expectClose(y.elements, [1e30, 0, 200, 0])
    expectClose(gradients[0].elements, [1, 0, 1, 0])
    expectClose(gradients[1].elements, [1e30, 0, 200, 0])
  }
}
