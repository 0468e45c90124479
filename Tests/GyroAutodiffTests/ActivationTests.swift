import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@Suite struct ActivationTests {
  /// Inputs where the function is defined and at least 0.35 from a kink, which no step crosses.
  static func input(_ function: ActivationOp.Function) -> Tensor {
    var stream = RandomStream(seed: 21)
    switch function {
    case .log, .squareRoot: return stream.uniform([6, 37], in: 1..<3)
    case .relu, .magnitude:
      return Tensor(
        [6, 37],
        elements: stream.normal([6, 37]).elements.map { $0 < 0 ? $0 - 0.5 : $0 + 0.5 })
    case .relu6:
      return Tensor(
        [3, 20], elements: (0..<60).map { [-2, 1.5, 3, 8][$0 % 4] + Float($0) * 0.01 })
    default: return stream.normal([6, 37])
    }
  }

  @Test(arguments: ActivationOp.Function.allCases)
  func derivativesAreThoseOfTheFunctions(_ function: ActivationOp.Function) {
    let x = Self.input(function)
    checkGradients(of: [x], tolerance: 5e-3) { .apply(ActivationOp(function), to: $0[0]) }
    checkNeeds(ActivationOp(function), [x])
  }

  @Test func kinksHaveGradientZero() {
    let x = Tensor([3], elements: [0, -0.0, 6])
    for op in [ActivationOp(.relu6), ActivationOp(.magnitude)] {
      let (_, gradients) = valueAndGradients(of: [x]) { .apply(op, to: $0[0]) }
      #expect(gradients[0].elements[0] == 0 && gradients[0].elements[1] == 0)
    }
    let (_, gradients) = valueAndGradients(of: [x]) { $0[0].relu6() }
    #expect(gradients[0].elements == [0, 0, 0])
  }

  @Test func namedFormsApplyTheirFunctions() {
    let x = Variable(constant: Tensor([2], elements: [0.5, 2]))
    func first(_ y: Variable) -> Float { y.value.elements[0] }
    expectClose(
      [
        first(x.silu()), first(x.gelu()), first(x.geluTanh()), first(x.relu()), first(x.relu6()),
        first(x.sigmoid()), first(x.tanh()), first(x.exp()), first(x.log()), first(x.squared()),
        first(x.squareRoot()), first(x.magnitude()), first(x.erf()),
      ],
      [
        0.311_229_66, 0.345_731_23, 0.345_714_00, 0.5, 0.5, 0.622_459_33, 0.462_117_16,
        1.648_721_3, -0.693_147_18, 0.25, 0.707_106_78, 0.5, 0.520_499_88,
      ], relative: 1e-6)
  }

  @Test func roundingPassesTheGradient() {
    let x = Tensor([4], elements: [0.5, 1.5, -0.7, 2.2])
    let (value, gradients) = valueAndGradients(
      of: [x], cotangent: Tensor([4], elements: [1, 2, 3, 4])
    ) { $0[0].roundedStraightThrough() }
    #expect(value.elements == [0, 2, -1, 2])
    #expect(gradients[0].elements == [1, 2, 3, 4])
    checkNeeds(RoundStraightThroughOp(), [x])
  }

  @Test func clampingClipsOrPassesTheGradient() {
    let x = Tensor([5], elements: [-2, -1, 0.3, 1, 1.5])
    let cotangent = Tensor([5], elements: [1, 2, 3, 4, 5])
    let clipped = valueAndGradients(of: [x], cotangent: cotangent) { $0[0].clamped(to: -1...1) }
    #expect(clipped.value.elements == [-1, -1, 0.3, 1, 1])
    #expect(clipped.gradients[0].elements == [0, 2, 3, 4, 0])
    let passed = valueAndGradients(of: [x], cotangent: cotangent) {
      $0[0].clamped(to: -1...1, gradient: .passThrough)
    }
    #expect(passed.gradients[0].elements == [1, 2, 3, 4, 5])
    checkNeeds(ClampOp(-1...1, gradient: .clipped), [x])
    checkNeeds(ClampOp(-1...1, gradient: .passThrough), [x])
  }
}
