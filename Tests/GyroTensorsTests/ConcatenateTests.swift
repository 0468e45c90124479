import GyroTensors
import TestSupport
import Testing

@Suite struct ConcatenateTests {
  @Test(arguments: [0, 1, 2, -1]) func slicesOfAConcatenationAreItsParts(_ axis: Int) {
    var stream = RandomStream(seed: 1)
    let shape = Shape([3, 4, 5])
    let parts = [2, 1, 4].map { stream.normal(shape.replacing(axis: axis, with: $0)) }
    let whole = Tensor.concatenated(parts, axis: axis)
    #expect(whole.shape == shape.replacing(axis: axis, with: 7))
    expectSameBits(whole.sliced(axis: axis, 0..<2), parts[0])
    expectSameBits(whole.sliced(axis: axis, 2..<3), parts[1])
    expectSameBits(whole.sliced(axis: axis, 3..<7), parts[2])
  }

  @Test(arguments: [0, 1, 2]) func paddingIsTheTransposeOfSlicing(_ axis: Int) {
    var stream = RandomStream(seed: 2)
    let x = stream.normal([3, 4, 5])
    let y = stream.normal(x.shape.replacing(axis: axis, with: 2))
    let padded = y.padded(axis: axis, to: x.shape, at: 1)
    expectSameBits(padded.sliced(axis: axis, 1..<3), y)
    #expect(abs(padded.sumOfSquares() - y.sumOfSquares()) < 1e-4)
  }

  @Test func stridedPartsAreReadInOrder() {
    let x = Tensor([2, 3], elements: [1, 2, 3, 4, 5, 6])
    #expect(
      Tensor.concatenated([x.transposed(), x.transposed()], axis: 1).elements
        == [1, 4, 1, 4, 2, 5, 2, 5, 3, 6, 3, 6])
  }
}
