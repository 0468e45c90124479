import CGyroKernels
import CGyroMatmul
public import GyroModels
public import GyroQuantization
public import GyroTensors

/// Rounding of a layer's weight that keeps its outputs: column after column is put on its grid, and
/// the error moved onto the columns still to come, so that `‖X (Ŵ − W)ᵀ‖²` grows least (GPTQ,
/// 2210.17323).
///
/// With q the rounded column i and U the upper Cholesky factor of the damped inverse Hessian,
/// ```
/// e = (w_i − q) / U_ii        W_:,j ← W_:,j − e U_ij  for j > i
/// ```
/// and the loss is `Σ (w − q)² / (2 U_ii²)`. Greedy: it wins on average, not for every matrix.
///
/// Laws: what comes out lies on the quantizer's grid under the scales it comes with, so a plan or an
/// exporter finds nothing left to round; under a Hessian that is a multiple of the identity it is
/// plain rounding, code by code.
public struct GPTQ: Sendable, Hashable {
  /// What is added to the Hessian's diagonal, as a share of its mean.
  public var damping: Double
  /// Columns whose errors are moved together onto the rest, at most 128.
  public var blockSize: Int
  /// Whether columns with the largest `H_ii` are rounded first, while there are the most left to make
  /// up for it ("act-order"). Groups of columns then keep the scales they start with.
  public var ordersByActivation: Bool
  /// Whether the scales of groups of columns are found before any column is rounded, rather than
  /// when the group's turn comes, from weights that carry the errors so far.
  public var hasStaticGroups: Bool

  public init(
    damping: Double = 0.01, blockSize: Int = 128, ordersByActivation: Bool = false,
    hasStaticGroups: Bool = false
  ) {
    precondition(damping >= 0, "GPTQ: a damping of \(damping) is negative")
    precondition(
      (1...Int(GYRO_GPTQ_BLOCK)).contains(blockSize),
      "GPTQ: blocks of \(blockSize) columns; there are 1 to \(GYRO_GPTQ_BLOCK)")
    self.damping = damping
    self.blockSize = blockSize
    self.ordersByActivation = ordersByActivation
    self.hasStaticGroups = hasStaticGroups
  }

  /// What became of a weight.
  public struct Result: Sendable {
    /// The codes and scales.
    public let codes: QuantizedTensor
    /// `Σ (w − q)² / (2 U_ii²)` over all elements.
    public let loss: Double
    /// The damping that made the Hessian positive definite.
    public let damping: Double
    /// The columns in the order in which they were rounded; nil for the order they have.
    public let order: [Int]?
  }

  /// Rounds a weight.
  /// - Parameters:
  ///   - weight: `[out, …]`; everything after the first axis is a column of the layer's matrix.
  ///   - hessian: of the layer's inputs, one for each column.
  ///   - quantizer: any format; per tensor, channel, group of columns or block.
  ///   - scales: scales that are given; found by `range` when nil.
  ///   - range: how scales are found: for the whole weight first, or group by group.
  ///   - path: names the weight in errors.
  /// - Throws: `PostTrainingError` for a weight that is not finite, a quantizer without a use for
  ///   weights, or a Hessian that stays indefinite under ten, a hundred and a thousand times the
  ///   damping.
  /// - Precondition: as many columns as the Hessian has inputs.
  public func quantized(
    _ weight: Tensor, hessian: Hessian, quantizer: Quantizer, scales: GroupScales? = nil,
    range: RangeMethod = .minMax, at path: ParameterPath = "weight"
  ) throws(PostTrainingError) -> Result {
    let rows = weight.shape[0], inputs = hessian.size
    precondition(
      weight.count == rows * inputs,
      "GPTQ: \(path) \(weight.shape) does not have \(inputs) columns")
    var matrix = weight.reshaped([rows, inputs]).contiguous()
    let diagonal = hessian.diagonal
    Self.clear(columns: diagonal.indices.filter { diagonal[$0] == 0 }, of: &matrix)
    var columns = try ColumnScales(
      quantizer, matrix, shape: weight.shape, given: scales, range: range,
      isStatic: hasStaticGroups || ordersByActivation, at: path)
    let order = ordersByActivation ? Self.order(diagonal) : nil
    let factor = try HessianFactor(hessian, order: order, damping: damping, at: path)
    var work = matrix.transposed().contiguous()
    if let order { work = Self.rows(of: work, order) }
    columns.reorder(order)
    let loss = try round(&work, factor.upper, &columns)
    if let order { work = Self.rows(of: work, Self.inverse(order)) }
    let rounded = work.transposed().contiguous().reshaped(weight.shape.dimensions)
    do throws(NotFiniteRow) {
      return Result(
        codes: try quantizer.quantized(rounded, with: columns.groupScales), loss: loss,
        damping: factor.damping, order: order)
    } catch {
      throw .quantization(error.error(at: path, quantizer.scaleFormat))
    }
  }

  /// Rounds `[in, out]` in place, block by block; returns the loss.
  private func round(
    _ weights: inout Tensor, _ factor: Tensor, _ columns: inout ColumnScales
  ) throws(PostTrainingError) -> Double {
    let (inputs, rows) = (weights.shape[0], weights.shape[1])
    let errors = PooledBuffer(byteCount: max(blockSize * rows, 1) * MemoryLayout<Float>.size)
    let error = errors.pointer.assumingMemoryBound(to: Float.self)
    var losses = [Float](repeating: 0, count: rows)
    let elements = weights.withMutableElements { $0 }  // unique from here on
    var first = 0
    while first < inputs {
      let last = columns.endOfBlock(from: first, atMost: blockSize)
      for part in columns.parts(first..<last) {
        try columns.find(part, elements)
        columns.withBlock(factor, elements, error, &losses) { block in
          gyro_gptq_columns(
            block, Int64(first), Int64(part.lowerBound), Int64(part.upperBound), Int64(last))
        }
      }
      if last < inputs {
        let (count, rest) = (Int64(last - first), Int64(inputs - last))
        factor.withElements { factor in
          let status = gyro_matmul_f32(
            1, 0, rest, Int64(rows), count, -1, factor + first * inputs + last, Int64(inputs),
            error, Int64(rows), 1, elements + last * rows, Int64(rows))
          precondition(status == 0, "GPTQ: the matrix engine failed with code \(status)")
        }
      }
      first = last
    }
    return losses.reduce(0) { $0 + Double($1) } / 2
  }

  /// Columns that no input reaches are zeros.
  private static func clear(columns: [Int], of matrix: inout Tensor) {
    guard !columns.isEmpty else { return }
    let (rows, width) = (matrix.shape[0], matrix.shape[1])
    matrix.withMutableElements { elements in
      for row in 0..<rows { for column in columns { elements[row * width + column] = 0 } }
    }
  }

  /// Columns by falling diagonal; equal ones keep their order. Columns without inputs count 1.
  private static func order(_ diagonal: [Double]) -> [Int] {
    let size = diagonal.map { $0 == 0 ? 1 : $0 }
    return diagonal.indices.sorted { (size[$0], $1) > (size[$1], $0) }
  }

  static func inverse(_ order: [Int]) -> [Int] {
    var result = order
    for (place, column) in order.enumerated() { result[column] = place }
    return result
  }

  private static func rows(of matrix: Tensor, _ order: [Int]) -> Tensor {
    let width = matrix.shape[1]
    return Tensor.filled(matrix.shape) { target in
      matrix.withElements { source in
        for (place, row) in order.enumerated() {
          (target + place * width).update(from: source + row * width, count: width)
        }
      }
    }
  }
}
