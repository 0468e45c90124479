import GyroQuantization
import GyroTensors

@testable import GyroPostTraining

/// Optimal brain quantization in a fixed order, in plain double precision: after every column the
/// inverse Hessian of those that remain is worked out anew (2208.11580 §4; 2210.17323 §3.2). No
/// Cholesky factor, no blocks.
struct DenseReference {
  /// Values on the grid, `[out, in]`.
  var values: [Double]
  var loss = 0.0

  /// - Parameters:
  ///   - order: the columns in the order in which they are rounded.
  ///   - project: puts a value of a row and column on its grid; called column by column, with all
  ///     weights as they are by then.
  init(
    _ weight: Tensor, _ hessian: Matrix64, damping: Double, order: [Int],
    project: (_ value: Double, _ row: Int, _ column: Int, _ weights: [Double]) -> Double
  ) throws {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    var w = weight.elements.map(Double.init)
    var h = hessian
    for column in 0..<columns where h[column, column] == 0 {
      h[column, column] = 1
      for row in 0..<rows { w[row * columns + column] = 0 }
    }
    let mean = (0..<columns).reduce(0) { $0 + h[$1, $1] } / Double(columns)
    for column in 0..<columns { h[column, column] += damping * mean }
    for place in order.indices {
      let rest = Array(order[place...])
      var remaining = Matrix64(rows: rest.count, columns: rest.count)
      for (i, a) in rest.enumerated() {
        for (j, b) in rest.enumerated() { remaining[i, j] = h[a, b] }
      }
      let inverse = try remaining.inverse()
      let column = order[place], snapshot = w
      for row in 0..<rows {
        let value = w[row * columns + column]
        let rounded = project(value, row, column, snapshot)
        let step = (value - rounded) / inverse[0, 0]
        loss += (value - rounded) * step / 2
        for (j, other) in rest.enumerated() { w[row * columns + other] -= step * inverse[0, j] }
        w[row * columns + column] = rounded
      }
    }
    values = w
  }
}

/// Inputs whose columns hang together and differ in size, as activations do.
func correlatedInputs(_ rows: Int, _ columns: Int, seed: UInt64) -> Tensor {
  var random = RandomStream(seed: seed).derived("inputs")
  let mixing = random.normal([columns, columns], standardDeviation: 0.4)
  var x = random.normal([rows, columns]).matmul(mixing)
  x.add(random.normal([rows, columns]))
  x.withMutableElements { x in
    for row in 0..<rows {
      for column in 0..<columns { x[row * columns + column] *= 0.3 + Float(column % 7) }
    }
  }
  return x
}

func randomWeight(_ rows: Int, _ columns: Int, seed: UInt64) -> Tensor {
  var random = RandomStream(seed: seed).derived("weight")
  return random.normal([rows, columns], standardDeviation: 0.1)
}

func hessian(of inputs: Tensor) throws -> Hessian {
  var result = Hessian(size: inputs.shape.columns)
  try result.accumulate(inputs)
  return result
}
