import CGyroKernels

/// Functions of each element. The elementary functions are polynomials in Float32, within 2 units
/// in the last place (sigmoid 2.5), and give the same bits on every instruction set.
extension Tensor {
  /// eˣ.
  public func exp() -> Tensor { mapped(GYRO_EXP) }

  /// The natural logarithm.
  public func log() -> Tensor { mapped(GYRO_LOG) }

  /// √x.
  public func squareRoot() -> Tensor { mapped(GYRO_SQUARE_ROOT) }

  /// x².
  public func squared() -> Tensor { mapped(GYRO_SQUARE) }

  /// |x|.
  public func magnitude() -> Tensor { mapped(GYRO_ABSOLUTE) }

  /// The hyperbolic tangent.
  public func tanh() -> Tensor { mapped(GYRO_TANH) }

  /// The error function.
  public func erf() -> Tensor { mapped(GYRO_ERF) }

  /// 1 / (1 + e⁻ˣ).
  public func sigmoid() -> Tensor { mapped(GYRO_SIGMOID) }

  /// The nearest whole number, halves to even.
  public func rounded() -> Tensor { mapped(GYRO_ROUND) }

  /// Each element moved into `range`; NaN stays.
  public func clamped(to range: ClosedRange<Float>) -> Tensor {
    fromElements { gyro_clamp($0, Int64(count), range.lowerBound, range.upperBound, $1) }
  }

  /// −x.
  public static prefix func - (a: Tensor) -> Tensor { a.mapped(GYRO_NEGATE) }

  /// x + term.
  public static func + (a: Tensor, term: Float) -> Tensor { a.affine(1, term) }

  /// x + term.
  public static func + (term: Float, a: Tensor) -> Tensor { a.affine(1, term) }

  /// x − term.
  public static func - (a: Tensor, term: Float) -> Tensor { a.affine(1, -term) }

  /// term − x.
  public static func - (term: Float, a: Tensor) -> Tensor { a.affine(-1, term) }

  /// x · factor.
  public static func * (a: Tensor, factor: Float) -> Tensor { a.affine(factor, 0) }

  /// x · factor.
  public static func * (factor: Float, a: Tensor) -> Tensor { a.affine(factor, 0) }

  /// x / divisor, each quotient rounded once.
  public static func / (a: Tensor, divisor: Float) -> Tensor { a / Tensor(scalar: divisor) }

  /// numerator / x.
  public static func / (numerator: Float, a: Tensor) -> Tensor {
    a.fromElements { gyro_divide_into(numerator, $0, Int64(a.count), $1) }
  }

  private func affine(_ factor: Float, _ term: Float) -> Tensor {
    fromElements { gyro_affine($0, Int64(count), factor, term, $1) }
  }

  private func mapped(_ op: gyro_unary_op) -> Tensor {
    fromElements { gyro_unary(op, $0, Int64(count), $1) }
  }

  /// A tensor of this shape, filled by `body` from these elements.
  private func fromElements(
    _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    withElements { source in Tensor.filled(shape) { body(source, $0) } }
  }
}

/// Changes in place; a tensor that shares its storage is copied first.
extension Tensor {
  /// Adds a tensor of the same shape.
  public mutating func add(_ other: Tensor) { add(other, scaledBy: 1) }

  /// Adds `other · factor`, of the same shape.
  public mutating func add(_ other: Tensor, scaledBy factor: Float) {
    precondition(shape == other.shape, "add: \(other.shape) cannot be added into \(shape)")
    let length = Int64(count)
    other.withElements { source in
      withMutableElements { gyro_add_scaled($0, source, length, factor) }
    }
  }

  /// Multiplies every element by `factor`.
  public mutating func scale(by factor: Float) {
    let length = Int64(count)
    withMutableElements { gyro_affine($0, length, factor, 0, $0) }
  }

  /// Adds `row`, `[columns]`, to every row.
  public mutating func addRow(_ row: Tensor) {
    precondition(
      row.shape.rank == 1 && row.count == shape.columns,
      "addRow: a row \(row.shape) does not fit \(shape)")
    let (rows, columns) = (Int64(shape.rows), Int64(shape.columns))
    row.withElements { source in
      withMutableElements { target in
        gyro_binary(
          GYRO_ADD, target, [columns, 1], source, [0, 1], [rows, columns], 2, target)
      }
    }
  }

  /// Adds `other` of the same shape.
  public static func += (a: inout Tensor, other: Tensor) { a.add(other) }
}
