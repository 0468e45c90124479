import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

/// The checker itself must notice what it is there to notice.
@Suite struct GradientCheckTests {
  /// x², with a gradient that is off by a factor, and nil or not regardless of `needs`.
  struct WrongSquareOp: Op {
    var factor: Float = 2
    var obeysNeeds = true

    func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
      (inputs[0].squared(), inputs[0])
    }

    func pullback(_ cotangent: Tensor, _ x: Tensor, needs: [Bool]) -> [Tensor?] {
      [needs[0] || !obeysNeeds ? cotangent * x * factor : nil]
    }
  }

  let x: Tensor

  init() {
    var stream = RandomStream(seed: 1)
    x = stream.normal([4, 9])
  }

  @Test func aRightGradientPasses() {
    checkGradients(of: [x], tolerance: 1e-4) { .apply(WrongSquareOp(), to: $0[0]) }
    checkNeeds(WrongSquareOp(), [x])
  }

  @Test func aGradientThreePercentOffIsNoticed() {
    withKnownIssue {
      checkGradients(of: [x]) { .apply(WrongSquareOp(factor: 2.06), to: $0[0]) }
    }
  }

  @Test func aMaskThatIsNotObeyedIsNoticed() {
    withKnownIssue { checkNeeds(WrongSquareOp(obeysNeeds: false), [x]) }
  }

  @Test func oneElementOutOfToleranceIsNoticed() {
    withKnownIssue { expectClose([1, 2, 3.001], [1, 2, 3]) }
    withKnownIssue { expectSameBits(Tensor(scalar: 0), Tensor(scalar: -0.0)) }
    expectClose([1, .nan, 3.000_001], [1, .nan, 3])
  }
}
