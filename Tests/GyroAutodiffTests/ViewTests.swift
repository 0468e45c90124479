import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@Suite struct ViewTests {
  let x: Tensor
  let y: Tensor

  init() {
    var stream = RandomStream(seed: 31)
    x = stream.normal([3, 4, 5])
    y = stream.normal([3, 2, 5])
  }

  @Test func gradientsOfViewsGoBackWhereTheyCameFrom() {
    checkGradients(of: [x]) { $0[0].reshaped([12, -1]).squared() }
    checkGradients(of: [x]) { $0[0].transposed().squared() }
    checkGradients(of: [x]) { $0[0].transposed(0, 2).squared() }
    checkGradients(of: [x]) { $0[0].permuted([2, 0, 1]).squared() }
    checkGradients(of: [x]) { $0[0].permuted([1, 2, 0]).reshaped([4, 15]).squared() }
    for axis in [0, 1, 2, -1] { checkGradients(of: [x]) { $0[0].sliced(axis: axis, 1..<3) } }
  }

  @Test func gradientOfAConcatenationIsCutApart() {
    checkGradients(of: [x, y]) { Variable.concatenated($0, axis: 1).squared() }
    checkGradients(of: [x, x]) { Variable.concatenated($0, axis: 0).squared() }
    checkGradients(of: [x, x]) { Variable.concatenated($0, axis: -1).squared() }
  }

  @Test func masksAreObeyed() {
    checkNeeds(ReshapeOp([60]), [x])
    checkNeeds(PermuteOp([2, 0, 1]), [x])
    checkNeeds(SliceOp(axis: 1, 1..<3), [x])
    checkNeeds(ConcatenateOp(axis: 1), [x, y])
  }

  @Test func overlappingSlicesAddUp() {
    let (_, gradients) = valueAndGradients(of: [Tensor([4], elements: [1, 2, 3, 4])]) {
      $0[0].sliced(axis: 0, 0..<3).sum() + $0[0].sliced(axis: 0, 2..<4).sum()
    }
    #expect(gradients[0].elements == [1, 1, 2, 1])
  }
}
