import CGyroKernels
public import GyroModels
public import GyroTensors

/// The Hessian of a linear layer's squared output error with respect to a row of its weight,
/// `H = 2 XᵀX / n` for inputs X `[n, in]` (2210.17323 §3.2): the running mean over all inputs that were
/// accumulated.
///
/// Sums live in Float64. Small problems are multiplied in Float64; otherwise products of up to
/// 32,768 rows come from a Float32 product in the precision asked for. Two bfloat16 pieces, the
/// default where tiles make them fast, were measured to be off by 4e-6 of the mean diagonal (7e-6 in
/// the spectral norm; Float32 by 3e-7), where the damping that every factorization needs is 1e-2
/// of it: of 65,536 codes none came out different.
public struct Hessian: Sendable {
  /// The number of inputs.
  public let size: Int
  /// The number of rows of inputs seen.
  public private(set) var count = 0
  /// How large products are computed.
  public let precision: MatmulPrecision
  /// `[size, size]`, Σ xᵀx; only the lower triangle is kept.
  private(set) var sums: [Double]

  public init(size: Int, precision: MatmulPrecision = .splitBFloat16) {
    self.size = size
    self.precision = precision
    sums = .init(repeating: 0, count: size * size)
  }

  /// A Hessian that is given: symmetric, of which the lower triangle is read.
  public init(_ matrix: Matrix64, precision: MatmulPrecision = .splitBFloat16) {
    precondition(
      matrix.rows == matrix.columns, "Hessian: \(matrix.rows)×\(matrix.columns) is not square")
    self.init(size: matrix.rows, precision: precision)
    count = 1
    sums = matrix.elements.map { $0 / 2 }
  }

  /// Rows of one product: Float32 sums of as many terms are exact enough.
  private static let rowsAtOnce = 32768
  /// Multiplications that are done in Float64.
  private static let smallWork = 1 << 20

  /// Adds inputs `[…, in]`.
  /// - Throws: `PostTrainingError.inputsNotFinite`, naming `site`; the Hessian is then unusable.
  /// - Precondition: the last axis has `size` elements.
  public mutating func accumulate(
    _ inputs: Tensor, at site: ParameterPath = "inputs"
  ) throws(PostTrainingError) {
    precondition(
      inputs.shape.columns == size,
      "Hessian: inputs \(inputs.shape) do not have \(size) columns")
    let rows = inputs.shape.rows
    guard rows > 0 else { return }
    let matrix = inputs.reshaped([rows, size])
    if rows <= Self.rowsAtOnce {
      add(matrix)
    } else {
      for first in stride(from: 0, to: rows, by: Self.rowsAtOnce) {
        add(matrix.sliced(axis: 0, first..<min(first + Self.rowsAtOnce, rows)))
      }
    }
    count += rows
    if let column = (0..<size).first(where: { !sums[$0 * size + $0].isFinite }) {
      throw .inputsNotFinite(site, column: column)
    }
  }

  private mutating func add(_ x: Tensor) {
    let size = size
    if x.shape.rows * size * size <= Self.smallWork {
      let matrix = Matrix64(x.contiguous())
      let product = matrix.matmul(matrix, transposingSelf: true)
      for place in sums.indices { sums[place] += product.elements[place] }
      return
    }
    let product = x.lowerGram(precision: precision)
    sums.withUnsafeMutableBufferPointer { sums in
      product.withElements { gyro_add_lower_triangle(sums.baseAddress, $0, Int64(size)) }
    }
  }

  /// The diagonal of H.
  public var diagonal: [Double] { (0..<size).map { factor * sums[$0 * size + $0] } }

  /// H.
  public var matrix: Matrix64 {
    var result = Matrix64(rows: size, columns: size)
    for row in 0..<size {
      for column in 0...row {
        let value = factor * sums[row * size + column]
        result.elements[row * size + column] = value
        result.elements[column * size + row] = value
      }
    }
    return result
  }

  /// From sums to the mean.
  var factor: Double { 2 / Double(max(count, 1)) }

  /// The mean squared norm of `x · dᵀ` over the inputs, `tr(d H dᵀ) / 2`, for `d` `[out, in]`.
  public func meanSquaredOutput(of d: Tensor) -> Double {
    precondition(
      d.shape.columns == size, "Hessian: \(d.shape) does not have \(size) columns")
    return meanSquaredOutputs(of: [d], matrix.tensor)[0]
  }

  func meanSquaredOutputs(of weights: [Tensor], _ matrix: Tensor) -> [Double] {
    weights.map { d in
      let plain = d.reshaped([d.shape.rows, size])
      return plain.matmul(matrix).dot(plain) / 2
    }
  }
}
