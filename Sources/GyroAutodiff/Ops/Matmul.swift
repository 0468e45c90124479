public import GyroTensors

/// `y = x · wᵀ (+ b)`, the linear layer: x `[…, in]`, w `[out, in]` as in Hugging Face files,
/// b `[out]`, y `[…, out]`.
///
/// When x and w lie on integer grids the product runs on their codes, exactly; and the backward
/// products use the codes too: `dx = (dy ⊙ sw) · codes(w)`, `dw = (dy ⊙ sx)ᵀ · codes(x)`. Codes are
/// exact in bfloat16, so only dy is cut into pieces: three pieces keep all of Float32's 24 bits,
/// two keep 17. The same goes for the units of small floats, whose products are exact as well.
struct LinearOp: Op {
  let precision: MatmulPrecision

  struct Residual {
    let input: Tensor
    let weight: Tensor
  }

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let (x, w) = (inputs[0], inputs[1])
    precondition(
      w.shape.rank == 2 && x.shape.columns == w.shape[1],
      "linear: input \(x.shape) does not fit weight \(w.shape)")
    var y = x.matmul(w, transposingOther: true, precision: precision)
    if inputs.count > 2 { y.addRow(inputs[2]) }
    return (y, Residual(input: x, weight: w))
  }

  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    let (x, w) = (residual.input, residual.weight)
    let flat = cotangent.reshaped([-1, w.shape[0]])
    let dx = needs[0] ? flat.matmul(w, precision: precision).reshaped(to: x.shape) : nil
    let dw =
      needs[1]
      ? flat.matmul(x.reshaped([-1, w.shape[1]]), transposingSelf: true, precision: precision)
      : nil
    guard needs.count > 2 else { return [dx, dw] }
    return [dx, dw, needs[2] ? flat.sum(axes: [0]) : nil]
  }
}

/// The product of two matrices, or of two equal stacks of matrices: `a · b`, `a · bᵀ`.
struct MatmulOp: Op {
  let transposingOther: Bool
  let precision: MatmulPrecision

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: (Tensor, Tensor)) {
    let y = inputs[0].matmul(
      inputs[1], transposingOther: transposingOther, precision: precision)
    return (y, (inputs[0], inputs[1]))
  }

  func pullback(
    _ cotangent: Tensor, _ residual: (Tensor, Tensor), needs: [Bool]
  ) -> [Tensor?] {
    let (a, b) = residual
    let da =
      needs[0]
      ? cotangent.matmul(b, transposingOther: !transposingOther, precision: precision) : nil
    guard needs[1] else { return [da, nil] }
    // A stack times one matrix: the stack's leading axes are rows.
    let flatten = b.shape.rank == 2 && a.shape.rank > 2
    let left = flatten ? a.reshaped([-1, a.shape.columns]) : a
    let dy = flatten ? cotangent.reshaped([-1, cotangent.shape.columns]) : cotangent
    let db =
      transposingOther
      ? dy.matmul(left, transposingSelf: true, precision: precision)
      : left.matmul(dy, transposingSelf: true, precision: precision)
    return [da, db]
  }
}

extension Variable {
  /// `self · weightᵀ + bias` for self `[…, in]`, weight `[out, in]`, bias `[out]`.
  public func linear(
    weight: Variable, bias: Variable? = nil, precision: MatmulPrecision = .float32
  ) -> Variable {
    let op = LinearOp(precision: precision)
    if let bias { return .apply(op, to: self, weight, bias) }
    return .apply(op, to: self, weight)
  }

  /// The matrix product over the last two axes; `other` is a matrix or has the same leading axes.
  public func matmul(
    _ other: Variable, transposingOther: Bool = false, precision: MatmulPrecision = .float32
  ) -> Variable {
    .apply(MatmulOp(transposingOther: transposingOther, precision: precision), to: self, other)
  }
}
