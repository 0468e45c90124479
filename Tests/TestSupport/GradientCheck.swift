public import GyroAutodiff
public import GyroTensors
public import Testing

/// Checks the gradients of `body` by directional derivatives.
///
/// The scalar f = Σ w · body(inputs), w a random cotangent, is moved along a random direction of
/// one input at a time; the central difference is taken at three step sizes, because in Float32 a large
/// step suffers from curvature and a small one from rounding, and the best must agree with the
/// gradient. The difference is measured against the derivative or the spread Σ (gᵢ dᵢ)² of its
/// terms, whichever is larger, so that a derivative that happens to vanish is no excuse.
///
/// It also checks that an input gets the same gradient, bit for bit, when all others are constants:
/// then its ops see `needs` masks with one true entry.
public func checkGradients(
  of inputs: [Tensor], seed: UInt64 = 1, tolerance: Double = 1e-2,
  sourceLocation: SourceLocation = #_sourceLocation, _ body: ([Variable]) -> Variable
) {
  let root = RandomStream(seed: seed)
  let plain = body(inputs.map { Variable(constant: $0) })
  var cotangentStream = root.derived("cotangent")
  let cotangent = cotangentStream.normal(plain.shape)
  let (value, gradients) = valueAndGradients(of: inputs, cotangent: cotangent, body)
  expectSameBits(
    value, plain.value, "(the value while recording)", sourceLocation: sourceLocation)

  for (index, input) in inputs.enumerated() {
    let gradient = gradients[index]
    guard gradient.shape == input.shape else {
      Issue.record(
        "gradient \(index) has shape \(gradient.shape), its input \(input.shape)",
        sourceLocation: sourceLocation)
      continue
    }
    var stream = root.derived("direction", index)
    let direction = stream.normal(input.shape)
    let terms = gradient * direction
    let analytic = gradient.dot(direction)
    let spread = terms.sumOfSquares().squareRoot()
    let errors = [Float(0.1), 0.03, 0.01].map { step in
      func weighted(_ sign: Float) -> Double {
        var moved = inputs
        moved[index].add(direction, scaledBy: sign * step)
        return body(moved.map { Variable(constant: $0) }).value.dot(cotangent)
      }
      let numeric = (weighted(1) - weighted(-1)) / (2 * Double(step))
      return abs(numeric - analytic) / max(abs(numeric), abs(analytic), spread, 1e-12)
    }
    let best = errors.min() ?? 0
    if !(best <= tolerance) {
      Issue.record(
        "gradient \(index) is off by \(best) (all steps: \(errors)), more than \(tolerance)",
        sourceLocation: sourceLocation)
    }
    guard inputs.count > 1 else { continue }
    let alone = valueAndGradients(of: [input], cotangent: cotangent) { leaves in
      body(inputs.enumerated().map { $0 == index ? leaves[0] : Variable(constant: $1) })
    }
    expectSameBits(
      alone.gradients[0], gradient, "(gradient \(index) with the others constant)",
      sourceLocation: sourceLocation)
  }
}

/// Checks an op's half of the contract of `needs`: for every mask, the pullback returns nil exactly
/// where nobody wants a gradient, tensors of the inputs' shapes elsewhere, and the same bits as
/// when all are wanted.
public func checkNeeds<O: Op>(
  _ op: O, _ inputs: [Tensor], seed: UInt64 = 1, sourceLocation: SourceLocation = #_sourceLocation
) {
  var stream = RandomStream(seed: seed)
  let cotangent = stream.normal(op.forward(inputs).output.shape)
  func gradients(_ needs: [Bool]) -> [Tensor?] {
    op.pullback(cotangent, op.forward(inputs).residual, needs: needs)
  }
  let all = gradients(inputs.map { _ in true })
  for mask in 0..<(1 << inputs.count) {
    let needs = inputs.indices.map { mask >> $0 & 1 == 1 }
    let some = gradients(needs)
    #expect(some.count == inputs.count, sourceLocation: sourceLocation)
    for (index, needed) in needs.enumerated() {
      #expect((some[index] != nil) == needed, "mask \(needs)", sourceLocation: sourceLocation)
      guard let gradient = some[index], let full = all[index] else { continue }
      #expect(gradient.shape == inputs[index].shape, sourceLocation: sourceLocation)
      expectSameBits(gradient, full, "(mask \(needs))", sourceLocation: sourceLocation)
    }
  }
}
