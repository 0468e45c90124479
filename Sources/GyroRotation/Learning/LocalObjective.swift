import GyroAutodiff
public import GyroTensors

/// How hard rotated activations are to quantize, told from the activations alone: a rotation can be
/// learned against it without a pass through the model. All are means over rows scaled to a root mean
/// square of 1, which a rotation does not change.
public enum LocalObjective: String, Sendable, Hashable, Codable, CaseIterable {
  /// `exp(−|x|)`, large where many values are near zero and few are large (DartQuant, 2511.04063 §4.1).
  case whip
  /// `x⁴` (KurTail, 2503.01483 §3).
  case kurtosis
  /// The squared width of a row, `(max − min)²`: what a min–max quantizer's error is proportional to.
  case range

  /// The value for rows `[…, columns]`, and its gradient.
  public func callAsFunction(_ x: Tensor) -> (value: Double, gradient: Tensor) {
    let columns = x.shape.columns
    let rows = x.reshaped([-1, columns])
    let scale = 1 / (rows.squared().mean(axes: [1], keepingAxes: true) + 1e-12).squareRoot()
    let unit = rows * scale
    let count = Double(rows.count)
    let (value, slope): (Double, Tensor)
    switch self {
    case .whip:
      let heights = (-unit.magnitude()).exp()
      let signs = unit / (unit.magnitude() + 1e-20)
      (value, slope) = (heights.preciseSum() / count, -(heights * signs) * Float(1 / count))
    case .kurtosis:
      let squares = unit.squared()
      (value, slope) = (squares.sumOfSquares() / count, squares * unit * Float(4 / count))
    case .range: (value, slope) = Self.widths(unit, columns)
    }
    // What lies along a row changes its length, which is scaled away.
    let along = (slope * unit).mean(axes: [1], keepingAxes: true)
    return (value, ((slope - unit * along) * scale).reshaped(to: x.shape))
  }

  private static func widths(_ unit: Tensor, _ columns: Int) -> (Double, Tensor) {
    let rows = unit.shape[0]
    var gradient = Tensor.zeros([rows, columns])
    var sum = 0.0
    unit.withElements { unit in
      gradient.withMutableElements { gradient in
        for row in 0..<rows {
          let start = row * columns
          var (low, high) = (start, start)
          for place in start..<start + columns {
            if unit[place] < unit[low] { low = place }
            if unit[place] > unit[high] { high = place }
          }
          let width = unit[high] - unit[low]
          sum += Double(width * width)
          let slope = 2 * width / Float(rows)
          gradient[high] += slope
          gradient[low] -= slope
        }
      }
    }
    return (sum / Double(rows), gradient)
  }
}

/// A local objective on the tape.
struct LocalObjectiveOp: Op {
  let objective: LocalObjective

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
    let (value, gradient) = objective(inputs[0])
    return (Tensor(scalar: Float(value)), gradient)
  }

  func pullback(_ cotangent: Tensor, _ gradient: Tensor, needs: [Bool]) -> [Tensor?] {
    [needs[0] ? gradient * cotangent.item : nil]
  }
}
