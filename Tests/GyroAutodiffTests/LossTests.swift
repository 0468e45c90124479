import Glibc
import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@Suite struct LossTests {
  @Test func crossEntropyGradientIsSoftmaxMinusOneHot() {
    var stream = RandomStream(seed: 51)
    let logits = stream.normal([4, 3, 70], standardDeviation: 2)
    let targets = (0..<12).map { _ in Int32(stream.integer(below: 70)) }
    let (value, gradients) = valueAndGradients(of: [logits]) {
      $0[0].crossEntropy(targets: targets)
    }
    let (sum, rows) = logits.negativeLogLikelihood(targets: targets)
    #expect(value.item == Float(sum / Double(rows)))
    var expected = logits.softmax().elements
    for (row, target) in targets.enumerated() { expected[row * 70 + Int(target)] -= 1 }
    expectClose(gradients[0].elements, expected.map { $0 / 12 }, relative: 1e-4, absolute: 1e-7)
    checkGradients(of: [logits]) { $0[0].crossEntropy(targets: targets) }
    checkNeeds(CrossEntropyOp(targets: targets, ignoring: nil, smoothing: 0), [logits])
  }

  @Test func smoothedAndMaskedCrossEntropyHaveTheRightGradients() {
    var stream = RandomStream(seed: 52)
    let logits = stream.normal([6, 10])
    let targets: [Int32] = [1, -1, 9, 0, -1, 4]
    checkGradients(of: [logits]) { $0[0].crossEntropy(targets: targets, ignoring: -1) }
    checkGradients(of: [logits]) {
      $0[0].crossEntropy(targets: targets, ignoring: -1, labelSmoothing: 0.1)
    }
    let (_, gradients) = valueAndGradients(of: [logits]) {
      $0[0].crossEntropy(targets: targets, ignoring: -1, labelSmoothing: 0.1)
    }
    #expect(gradients[0].sliced(axis: 0, 1..<2).elements.allSatisfy { $0 == 0 })
    let smoothed = Variable(constant: logits)
      .crossEntropy(targets: [1, 2, 3, 4, 5, 6], labelSmoothing: 0.2).value.item
    let elements = logits.elements.map(Double.init)
    let expected =
      (0..<6).reduce(0.0) { total, row in
        let cells = elements[row * 10..<row * 10 + 10]
        let lse = log(cells.reduce(0) { $0 + exp($1) })
        return total + lse - 0.8 * elements[row * 10 + row + 1] - 0.02 * cells.reduce(0, +)
      } / 6
    #expect(abs(Double(smoothed) - expected) < 1e-6)
  }

  @Test func noTargetsGiveLossZeroAndGradientZero() {
    let (value, gradients) = valueAndGradients(of: [Tensor.ones([2, 3])]) {
      $0[0].crossEntropy(targets: [7, 7], ignoring: 7)
    }
    #expect(value.item == 0)
    #expect(gradients[0].elements.allSatisfy { $0 == 0 })
  }

  @Test func crossEntropyLeavesLogitsOfOthersAlone() {
    var stream = RandomStream(seed: 53)
    let logits = stream.normal([5, 9])
    let before = logits.elements
    _ = valueAndGradients(of: [logits]) { $0[0].crossEntropy(targets: [0, 1, 2, 3, 4]) }
    #expect(logits.elements == before)
    // Shared on the tape: by an op that keeps them, by a second loss, by a view.
    checkGradients(of: [logits]) { leaves in
      let scaled = leaves[0] * 2
      return scaled.crossEntropy(targets: [0, 1, 2, 3, 4]) + scaled.squared().mean()
        + scaled.crossEntropy(targets: [4, 3, 2, 1, 0])
        + scaled.sliced(axis: 0, 1..<3).crossEntropy(targets: [0, 0])
    }
  }

  @Test func crossEntropyWritesOverLogitsThatNobodyElseHolds() {
    let logits = Tensor.zeros([300, 1000])
    let targets = [Int32](repeating: 3, count: 300)
    let op = CrossEntropyOp(targets: targets, ignoring: nil, smoothing: 0)
    func address(_ tensor: Tensor) -> UInt { tensor.withElements { UInt(bitPattern: $0) } }
    func residual() -> (CrossEntropyOp.Residual, UInt) {
      let fresh = logits + 1
      return (op.forward([fresh]).residual, address(fresh))
    }
    let (kept, place) = residual()
    let gradient = op.pullback(Tensor(scalar: 1), kept, needs: [true])[0]!
    #expect(address(gradient) == place)
    expectClose([gradient.sum()], [0], absolute: 1e-5)
  }

  @Test(arguments: [Float(1), 2, 0.5]) func kullbackLeiblerEqualsItsFormula(_ temperature: Float) {
    var stream = RandomStream(seed: 54)
    let student = stream.normal([5, 83])
    let teacher = stream.normal([5, 83])
    let t = Double(temperature)
    func distribution(_ x: Tensor, _ row: Int) -> [Double] {
      let cells = x.elements[row * 83..<row * 83 + 83].map { exp(Double($0) / t) }
      return cells.map { $0 / cells.reduce(0, +) }
    }
    var expected = 0.0
    for row in 0..<5 {
      let (p, q) = (distribution(teacher, row), distribution(student, row))
      expected += zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) } * t * t / 5
    }
    let value = Variable(constant: student)
      .kullbackLeibler(toTeacher: teacher, temperature: temperature).value.item
    #expect(abs(Double(value) - expected) < 2e-6 * max(1, expected))
    checkGradients(of: [student]) {
      $0[0].kullbackLeibler(toTeacher: teacher, temperature: temperature)
    }
    checkNeeds(KullbackLeiblerOp(teacher: teacher, temperature: temperature), [student])
  }

  @Test func divergenceFromOneselfIsZeroWithGradientZero() {
    var stream = RandomStream(seed: 55)
    let x = stream.normal([4, 20])
    let (value, gradients) = valueAndGradients(of: [x]) { $0[0].kullbackLeibler(toTeacher: x) }
    #expect(value.item == 0)
    #expect(gradients[0].elements.allSatisfy { $0 == 0 })
  }

  @Test func meanSquareErrorAndSoftmaxHaveTheRightGradients() {
    var stream = RandomStream(seed: 56)
    let a = stream.normal([7, 13])
    let b = stream.normal([7, 13])
    checkGradients(of: [a, b]) { $0[0].meanSquareError(to: $0[1]) }
    checkNeeds(MeanSquareErrorOp(), [a, b])
    checkGradients(of: [a]) { $0[0].softmax() }
    checkNeeds(SoftmaxOp(), [a])
    let simple = Variable(constant: Tensor([2], elements: [1, 3]))
      .meanSquareError(to: Variable(constant: Tensor([2], elements: [0, 1])))
    #expect(simple.value.item == 2.5)
  }
}
