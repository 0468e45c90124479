package import GyroTensors

/// The sum over some axes, or the mean; the gradient is the same all along them.
package struct ReduceOp: Op {
  let axes: [Int]
  let keepingAxes: Bool
  let averaging: Bool

  package init(axes: [Int], keepingAxes: Bool, averaging: Bool) {
    self.axes = axes
    self.keepingAxes = keepingAxes
    self.averaging = averaging
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Shape) {
    let x = inputs[0]
    let y =
      averaging
      ? x.mean(axes: axes, keepingAxes: keepingAxes) : x.sum(axes: axes, keepingAxes: keepingAxes)
    return (y, x.shape)
  }

  package func pullback(_ cotangent: Tensor, _ shape: Shape, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let places = axes.map(shape.normalized)
    var kept = shape.dimensions
    for axis in places { kept[axis] = 1 }
    let terms = Set(places).reduce(1) { $0 * shape.dimensions[$1] }
    var share = cotangent.reshaped(kept)
    if averaging { share = share * (1 / Float(terms)) }
    if share.count == 1 { return [Tensor(shape, repeating: share.item)] }
    return [share.broadcast(to: shape).contiguous()]
  }
}

extension Variable {
  /// The sum of all elements, a scalar.
  public func sum() -> Variable { sum(axes: Array(0..<shape.rank)) }

  /// The sum over `axes`, which go unless they are kept with extent 1.
  public func sum(axes: [Int], keepingAxes: Bool = false) -> Variable {
    .apply(ReduceOp(axes: axes, keepingAxes: keepingAxes, averaging: false), to: self)
  }

  /// The mean of all elements, a scalar.
  public func mean() -> Variable { mean(axes: Array(0..<shape.rank)) }

  /// The mean over `axes`, which go unless they are kept with extent 1.
  public func mean(axes: [Int], keepingAxes: Bool = false) -> Variable {
    .apply(ReduceOp(axes: axes, keepingAxes: keepingAxes, averaging: true), to: self)
  }
}
