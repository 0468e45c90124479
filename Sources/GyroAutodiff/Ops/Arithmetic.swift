package import GyroTensors

/// `a + b`, broadcast.
package struct AddOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Shape]) {
    (inputs[0] + inputs[1], inputs.map(\.shape))
  }

  package func pullback(_ cotangent: Tensor, _ shapes: [Shape], needs: [Bool]) -> [Tensor?] {
    [
      needs[0] ? cotangent.reduced(to: shapes[0]) : nil,
      needs[1] ? cotangent.reduced(to: shapes[1]) : nil,
    ]
  }
}

/// `a − b`, broadcast.
package struct SubtractOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Shape]) {
    (inputs[0] - inputs[1], inputs.map(\.shape))
  }

  package func pullback(_ cotangent: Tensor, _ shapes: [Shape], needs: [Bool]) -> [Tensor?] {
    [
      needs[0] ? cotangent.reduced(to: shapes[0]) : nil,
      needs[1] ? -cotangent.reduced(to: shapes[1]) : nil,
    ]
  }
}

/// `a · b`, element by element, broadcast.
package struct MultiplyOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Tensor]) {
    (inputs[0] * inputs[1], inputs)
  }

  package func pullback(_ cotangent: Tensor, _ inputs: [Tensor], needs: [Bool]) -> [Tensor?] {
    [
      needs[0] ? (cotangent * inputs[1]).reduced(to: inputs[0].shape) : nil,
      needs[1] ? (cotangent * inputs[0]).reduced(to: inputs[1].shape) : nil,
    ]
  }
}

/// `a / b`, element by element, broadcast; `da = dy / b`, `db = −dy · a / b²`.
package struct DivideOp: Op {
  package init() {}

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: [Tensor]) {
    (inputs[0] / inputs[1], inputs)
  }

  package func pullback(_ cotangent: Tensor, _ inputs: [Tensor], needs: [Bool]) -> [Tensor?] {
    let share = cotangent / inputs[1]
    return [
      needs[0] ? share.reduced(to: inputs[0].shape) : nil,
      needs[1] ? -(share * inputs[0] / inputs[1]).reduced(to: inputs[1].shape) : nil,
    ]
  }
}

/// `x · factor + term` with constants.
package struct AffineOp: Op {
  let factor: Float, term: Float

  package init(factor: Float, term: Float) {
    self.factor = factor
    self.term = term
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Void) {
    let scaled = factor == 1 ? inputs[0] : inputs[0] * factor
    return (term == 0 ? scaled : scaled + term, ())
  }

  package func pullback(_ cotangent: Tensor, _ residual: Void, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? (factor == 1 ? cotangent : cotangent * factor) : nil]
  }
}

extension Variable {
  /// `a + b`; shapes broadcast (trailing axes aligned, extent 1 stretches).
  public static func + (a: Variable, b: Variable) -> Variable { apply(AddOp(), to: a, b) }

  /// `a − b`, broadcast.
  public static func - (a: Variable, b: Variable) -> Variable { apply(SubtractOp(), to: a, b) }

  /// `a · b`, element by element, broadcast.
  public static func * (a: Variable, b: Variable) -> Variable { apply(MultiplyOp(), to: a, b) }

  /// `a / b`, element by element, broadcast.
  public static func / (a: Variable, b: Variable) -> Variable { apply(DivideOp(), to: a, b) }

  /// `−a`.
  public static prefix func - (a: Variable) -> Variable { a.affine(-1, 0) }

  /// `a + term`.
  public static func + (a: Variable, term: Float) -> Variable { a.affine(1, term) }

  /// `term + a`.
  public static func + (term: Float, a: Variable) -> Variable { a.affine(1, term) }

  /// `a − term`.
  public static func - (a: Variable, term: Float) -> Variable { a.affine(1, -term) }

  /// `term − a`.
  public static func - (term: Float, a: Variable) -> Variable { a.affine(-1, term) }

  /// `a · factor`.
  public static func * (a: Variable, factor: Float) -> Variable { a.affine(factor, 0) }

  /// `factor · a`.
  public static func * (factor: Float, a: Variable) -> Variable { a.affine(factor, 0) }

  /// `a / divisor`.
  public static func / (a: Variable, divisor: Float) -> Variable {
    a / Variable(constant: Tensor(scalar: divisor))
  }

  /// `numerator / a`.
  public static func / (numerator: Float, a: Variable) -> Variable {
    Variable(constant: Tensor(scalar: numerator)) / a
  }

  private func affine(_ factor: Float, _ term: Float) -> Variable {
    .apply(AffineOp(factor: factor, term: term), to: self)
  }
}
