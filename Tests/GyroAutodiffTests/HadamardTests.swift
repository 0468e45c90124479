import GyroAutodiff
import GyroManifolds
import GyroTensors
import TestSupport
import Testing

private func normal(_ shape: Shape) -> Tensor {
  var stream = RandomStream(seed: 2)
  return stream.normal(shape)
}

@Suite struct HadamardOpTests {
  @Test(arguments: [8, 12, 40, 128, 344])
  func theGradientIsTheOtherTransform(size: Int) {
    for seed in [nil, UInt64(5)] {
      let transform = HadamardTransform(size: size, signSeed: seed)
      for transposed in [false, true] {
        checkGradients(of: [normal([3, size])]) {
          $0[0].hadamard(transform, transposed: transposed)
        }
        checkNeeds(HadamardOp(transform, transposed: transposed), [normal([3, size])])
        let cotangent = normal([3, size])
        let (value, gradients) = valueAndGradients(of: [normal([3, size])], cotangent: cotangent) {
          $0[0].hadamard(transform, transposed: transposed)
        }
        expectSameBits(value, transform.applied(to: normal([3, size]), transposed: transposed))
        expectSameBits(gradients[0], transform.applied(to: cotangent, transposed: !transposed))
      }
    }
  }

  /// Queries and keys turned alike keep their scores.
  @Test func scalarProductsStay() {
    let transform = HadamardTransform(size: 64, signSeed: 1)
    let q = normal([4, 64]), k = normal([6, 64])
    let plain = q.matmul(k, transposingOther: true)
    let turned = Variable(constant: q).hadamard(transform).value.matmul(
      Variable(constant: k).hadamard(transform).value, transposingOther: true)
    expectClose(turned, plain, relative: 1e-5, absolute: 1e-4)
  }
}
