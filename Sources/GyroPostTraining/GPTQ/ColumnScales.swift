import CGyroKernels
import GyroModels
import GyroQuantization
import GyroTensors

/// The scales of a weight as the column loop needs them: strips of columns that share a scale in
/// every row, each strip with one scale (and zero point) for each row.
struct ColumnScales {
  private let quantizer: Quantizer
  private let path: ParameterPath
  private let range: RangeMethod
  private let rows: Int, inputs: Int
  /// Columns of a strip.
  private let width: Int
  /// Whether strips get their scales when their turn comes.
  private let finds: Bool
  /// The largest magnitude of the weight: what the tensor's own scale follows from where scales have
  /// two levels.
  private let reach: Float
  private var tensorScale: Float = 1
  /// `[strips, rows]`.
  private var scales: [Float]
  private var zeroPoints: [Float]?
  /// The strip of each column, in the order in which columns are rounded.
  private var strips: [Int32]

  private var stripCount: Int { width == 0 ? 0 : inputs / width }

  init(
    _ quantizer: Quantizer, _ matrix: Tensor, shape: Shape, given: GroupScales?,
    range: RangeMethod, isStatic: Bool, at path: ParameterPath
  ) throws(PostTrainingError) {
    (rows, inputs) = (matrix.shape[0], matrix.shape[1])
    self.quantizer = quantizer
    self.path = path
    self.range = range
    do throws(QuantizationError) {
      _ = try quantizer.layout(of: shape, named: path)
      _ = try quantizer.layout(of: matrix.shape, named: path)
    } catch {
      throw .quantization(error)
    }
    switch quantizer.granularity {
    case .tensor, .channel, .token: width = inputs
    case .group(let size), .head(let size): width = size
    case .block(_, let columns):
      guard shape.rank == 2 else {
        throw .unsupported(
          path, problem: "blocks of a convolution's kernel cut across its outputs",
          advice: "use the granularity 'channel' or groups")
      }
      width = columns
    }
    reach = matrix.count > 0 ? matrix.maximumMagnitude : 0
    guard reach.isFinite else {
      throw .quantization(.notFinite(path, row: Self.firstNotFinite(matrix)))
    }
    strips = (0..<inputs).map { [width] in Int32($0 / width) }
    scales = .init(repeating: 1, count: rows * (inputs / max(width, 1)))
    zeroPoints = quantizer.isSymmetric ? nil : .init(repeating: 0, count: scales.count)
    // A tensor's own scale under two levels is that of symmetric formats.
    let isSplit = width < inputs && (quantizer.isSymmetric || quantizer.scaleFormat != .e4m3)
    finds = given == nil && !isStatic && isSplit
    if let given {
      spread(given)
    } else if !finds {
      spread(try found(in: matrix))
    }
  }

  private static func firstNotFinite(_ matrix: Tensor) -> Int {
    (matrix.elements.firstIndex { !$0.isFinite } ?? 0) / max(matrix.shape[1], 1)
  }

  // MARK: Finding

  private func found(in matrix: Tensor) throws(PostTrainingError) -> GroupScales {
    // Min–max scales are those of simulated quantization itself, which rounds them in its own way.
    if range == .minMax {
      do throws(NotFiniteRow) {
        return try quantizer.scales(covering: matrix)
      } catch {
        throw .quantization(error.error(at: path, quantizer.scaleFormat))
      }
    }
    do throws(RangeError) {
      return quantizer.scales(
        ranges: try WeightRanges.ranges(
          of: matrix, quantizer: quantizer, method: range, site: path.name))
    } catch {
      throw .range(error)
    }
  }

  /// Finds the scales of a strip that begins with the first of these columns, from weights
  /// `[in, out]` as they are by then.
  mutating func find(
    _ columns: Range<Int>, _ weights: UnsafePointer<Float>
  ) throws(PostTrainingError) {
    guard finds, columns.lowerBound.isMultiple(of: width) else { return }
    let strip = columns.lowerBound / width
    let slice = Tensor([width, rows], from: weights + columns.lowerBound * rows)
    let found = try found(in: witnessed(slice.transposed().contiguous()))
    tensorScale = found.tensorScale
    put(found, strips: 1, into: strip)
  }

  /// Under scales of two levels, the strip with more rows that reach as far as the whole weight, so
  /// that the tensor's scale follows from them; values that have grown beyond saturate. A scale that
  /// is given needs no witness.
  private func witnessed(_ slice: Tensor) -> Tensor {
    guard quantizer.scaleFormat == .e4m3, quantizer.tensorScale == nil else { return slice }
    var extra = 1
    if case .block(let rows, _) = quantizer.granularity { extra = rows }
    var witness = Tensor.zeros([extra, width])
    witness.withMutableElements { $0[0] = reach }
    return .concatenated([slice.clamped(to: -reach...reach), witness], axis: 0)
  }

  /// Takes scales in the order of the quantizer's groups; more groups than there are rows for are
  /// left out.
  private mutating func put(_ found: GroupScales, strips count: Int, into first: Int) {
    let all = found.scales.elements, zeros = found.zeroPoints?.elements
    for strip in 0..<count {
      for row in 0..<rows {
        let group = group(row, strip, strips: count)
        scales[(first + strip) * rows + row] = all[group]
        if let zeros { zeroPoints![(first + strip) * rows + row] = zeros[group] }
      }
    }
  }

  /// The place of a row's strip among the quantizer's groups.
  private func group(_ row: Int, _ strip: Int, strips: Int) -> Int {
    switch quantizer.granularity {
    case .tensor: 0
    case .channel, .token: row
    case .group, .head: row * strips + strip
    case .block(let rows, _): row / rows * strips + strip
    }
  }

  private mutating func spread(_ found: GroupScales) {
    tensorScale = found.tensorScale
    put(found, strips: stripCount, into: 0)
  }

  /// The scales in the order of the quantizer's groups.
  var groupScales: GroupScales {
    var groups = 0
    if rows > 0, stripCount > 0 { groups = group(rows - 1, stripCount - 1, strips: stripCount) + 1 }
    var result = [Float](repeating: 1, count: groups), zeros = result
    for strip in 0..<stripCount {
      for row in 0..<rows {
        let place = group(row, strip, strips: stripCount)
        result[place] = scales[strip * rows + row]
        if let zeroPoints { zeros[place] = zeroPoints[strip * rows + row] }
      }
    }
    return GroupScales(
      scales: Tensor([groups], elements: result),
      zeroPoints: zeroPoints == nil ? nil : Tensor([groups], elements: zeros),
      tensorScale: tensorScale)
  }

  // MARK: The column loop

  /// Columns are rounded in this order.
  mutating func reorder(_ order: [Int]?) {
    guard let order else { return }
    strips = order.map { strips[$0] }
  }

  /// Where a block ends: with a strip, if scales are found on the way, because all columns of a
  /// strip have to be up to date when its turn comes.
  func endOfBlock(from first: Int, atMost size: Int) -> Int {
    let last = min(first + size, inputs)
    guard finds, last < inputs else { return last }
    if width > size { return min(last, (first / width + 1) * width) }
    return first + size / width * width
  }

  /// The parts of a block that are rounded at once.
  func parts(_ block: Range<Int>) -> [Range<Int>] {
    guard finds, width < block.count else { return [block] }
    return stride(from: block.lowerBound, to: block.upperBound, by: width).map {
      $0..<min($0 + width, block.upperBound)
    }
  }

  /// Calls `body` with what the kernel needs.
  func withBlock(
    _ factor: Tensor, _ weights: UnsafeMutablePointer<Float>,
    _ errors: UnsafeMutablePointer<Float>, _ losses: inout [Float],
    _ body: (UnsafePointer<gyro_gptq_block>) -> Void
  ) {
    quantizer.withKernelQuantizer { kernel in
      factor.withElements { factor in
        strips.withUnsafeBufferPointer { strips in
          scales.withUnsafeBufferPointer { scales in
            losses.withUnsafeMutableBufferPointer { losses in
              var block = gyro_gptq_block()
              block.quantizer = kernel
              block.tensor_scale = quantizer.scaleFormat == .e4m3 ? tensorScale : 1
              block.rows = Int64(rows)
              block.factor = factor
              block.inputs = Int64(inputs)
              block.strips = strips.baseAddress
              block.scales = scales.baseAddress
              block.weights = weights
              block.errors = errors
              block.losses = losses.baseAddress
              guard let zeroPoints else { return body(&block) }
              zeroPoints.withUnsafeBufferPointer {
                block.zero_points = $0.baseAddress
                body(&block)
              }
            }
          }
        }
      }
    }
  }
}

extension Tensor {
  /// A copy of elements in row-major order.
  fileprivate init(_ shape: Shape, from source: UnsafePointer<Float>) {
    self = Tensor.filled(shape) { $0.update(from: source, count: shape.count) }
  }
}
