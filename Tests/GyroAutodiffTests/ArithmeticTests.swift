import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@Suite struct ArithmeticTests {
  static let shapes: [(Shape, Shape)] = [
    ([4, 6], [4, 6]), ([4, 6], [6]), ([4, 6], [4, 1]), ([6], [4, 6]), ([], [3, 2]),
    ([2, 1, 3], [5, 1]), ([1, 4], [3, 1]),
  ]

  static func inputs(_ a: Shape, _ b: Shape) -> [Tensor] {
    var stream = RandomStream(seed: 9)
    // Away from zero, so that quotients are tame.
    return [stream.normal(a), stream.uniform(b, in: 1..<2)]
  }

  @Test(arguments: shapes) func gradientsAreSummedBackOverTheBroadcast(_ a: Shape, _ b: Shape) {
    let inputs = Self.inputs(a, b)
    checkGradients(of: inputs) { $0[0] + $0[1] }
    checkGradients(of: inputs) { $0[0] - $0[1] }
    checkGradients(of: inputs) { $0[0] * $0[1] }
    checkGradients(of: inputs) { $0[0] / $0[1] }
    checkNeeds(AddOp(), inputs)
    checkNeeds(SubtractOp(), inputs)
    checkNeeds(MultiplyOp(), inputs)
    checkNeeds(DivideOp(), inputs)
  }

  @Test func scalarFormsHaveTheRightGradients() {
    var stream = RandomStream(seed: 10)
    let x = stream.uniform([5, 7], in: 1..<2)
    checkGradients(of: [x]) { $0[0] + 2 }
    checkGradients(of: [x]) { 2 + $0[0] }
    checkGradients(of: [x]) { $0[0] - 2 }
    checkGradients(of: [x]) { 2 - $0[0] }
    checkGradients(of: [x]) { $0[0] * 3 }
    checkGradients(of: [x]) { 3 * $0[0] }
    checkGradients(of: [x]) { $0[0] / 3 }
    checkGradients(of: [x]) { 3 / $0[0] }
    checkGradients(of: [x]) { -$0[0] }
    checkNeeds(AffineOp(factor: 2, term: 1), [x])
  }

  @Test func aVariableUsedTwiceGetsBothGradients() {
    let x = Tensor([3], elements: [1, -2, 3])
    let (_, gradients) = valueAndGradients(of: [x]) { ($0[0] * $0[0] + $0[0]).sum() }
    #expect(gradients[0].elements == [3, -3, 7])
  }

  @Test(arguments: [[0], [1], [0, 2], [-1], [0, 1, 2]]) func reductionsSpreadTheirCotangent(
    _ axes: [Int]
  ) {
    var stream = RandomStream(seed: 11)
    let x = stream.normal([3, 4, 5])
    for keeping in [false, true] {
      checkGradients(of: [x]) { $0[0].sum(axes: axes, keepingAxes: keeping) }
      checkGradients(of: [x]) { $0[0].mean(axes: axes, keepingAxes: keeping) }
      checkNeeds(ReduceOp(axes: axes, keepingAxes: keeping, averaging: true), [x])
    }
  }

  @Test func sumAndMeanOfEverythingAreScalars() {
    let x = Tensor([2, 2], elements: [1, 2, 3, 6])
    let sum = valueAndGradients(of: [x]) { $0[0].sum() }
    #expect(sum.value.item == 12 && sum.gradients[0].elements == [1, 1, 1, 1])
    let mean = valueAndGradients(of: [x]) { $0[0].mean() }
    #expect(mean.value.item == 3 && mean.gradients[0].elements == [0.25, 0.25, 0.25, 0.25])
  }
}
