import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// A weight on a grid, ready to be written as MLX writes it. Codes are packed when their turn comes.
struct MLXWeight {
  let path: ParameterPath
  let code: MLXCode
  private let tensor: Tensor
  private let format: any NumberFormat
  private let granularity: Granularity
  private let grouped: GroupScales

  /// nil when the tensor is plain numbers, or MLX has no code for its grid.
  ///
  /// - Parameter quantizer: the weight's own; nil for a weight that was read with codes, but without
  ///   a scheme.
  init?(_ path: ParameterPath, _ tensor: Tensor, _ quantizer: Quantizer?) {
    let format: any NumberFormat
    let scale: ScaleFormat
    if let codes = tensor.encoded as? QuantizedTensor {
      (format, granularity, scale) = (codes.format, codes.granularity, codes.scaleFormat)
      grouped = codes.scales
    } else if let grid = tensor.quantizerGrid {
      format = quantizer?.format ?? IntegerFormat.int8
      granularity = quantizer?.granularity ?? (grid.scales.scales.count == 1 ? .tensor : .channel)
      scale = quantizer?.scaleFormat ?? .float32
      grouped = grid.scales
    } else {
      return nil
    }
    guard
      let code = MLXCode(
        format, granularity, scale, isSymmetric: grouped.zeroPoints == nil, shape: tensor.shape),
      code.mode != .nvfp4 || grouped.tensorScale == 1
    else { return nil }
    self.path = path
    self.code = code
    self.format = format
    self.tensor = tensor
  }

  /// The module that has the weight.
  var module: String { String(path.name.dropLast(".weight".count)) }

  private var rows: Int { tensor.shape.rows }
  private var columns: Int { tensor.shape.columns }
  private var groupsPerRow: Int { columns / code.group }

  /// Scales and biases `[rows, groups]` of the affine mode.
  var affine: (scales: Tensor, biases: Tensor) {
    let shape: Shape = [rows, groupsPerRow]
    let scales = grouped.scales.elements
    let zeroPoints = grouped.zeroPoints?.elements
    let groups = groups
    return (
      Tensor(shape, elements: groups.map { scales[$0] * code.step }),
      Tensor(
        shape,
        elements: groups.map { group in
          // Zero minus a product, lest the bias of a zero point of zero be −0.
          zeroPoints.map { 0 - $0[group] * scales[group] } ?? code.offset * scales[group]
        })
    )
  }

  /// Scales as bytes, of the block modes.
  var scaleBytes: [UInt8] {
    (code.mode == .nvfp4 ? ScaleFormat.e4m3 : .e8m0).codes(of: grouped)
  }

  /// Our group of each group in the file, row by row.
  private var groups: [Int] {
    let index = GroupIndex(granularity, of: tensor.shape)
    return (0..<rows).flatMap { row in
      (0..<groupsPerRow).map { index[row: row, column: $0 * code.group] }
    }
  }

  /// Bytes of codes and scales.
  func byteCount(_ type: ScalarType) -> Int {
    let scales = rows * groupsPerRow * (code.mode == .affine ? 2 * type.byteCount : 1)
    return tensor.count * code.bits / 8 + scales
  }

  /// Adds codes, scales and biases to a folder, and what they lose to its report.
  func add(to folder: inout ModelFolderWriter, as type: ScalarType) {
    let isExact = type == .float32 || numbers.allSatisfy(type.holds)
    folder.report.add(
      path, code.summary, byteCount: byteCount(type), trained: tensor,
      stored: isExact ? nil : decoded(type))
    folder.weights.add(
      path.name, shape: [rows, columns * code.bits / 32], type: .uint32,
      producingBytes: { packedCodes })
    let shape: Shape = [rows, groupsPerRow]
    if code.mode == .affine {
      let (scales, biases) = affine
      folder.weights.add(module + ".scales", scales, as: type)
      folder.weights.add(module + ".biases", biases, as: type)
    } else {
      folder.weights.add(module + ".scales", shape: shape, type: .uint8, bytes: scaleBytes)
    }
  }

  private var packedCodes: [UInt8] {
    let table = code.table(format, isSymmetric: grouped.zeroPoints == nil)
    let grid = tensor.wholeGrid
    let codes = tensor.encoded as? QuantizedTensor
    return withExtendedLifetime((grid, codes)) {
      // An integer grid's bytes are the numbers themselves, whatever the format's width.
      let bytes =
        grid.map { UnsafePointer($0.codes.pointer.assumingMemoryBound(to: UInt8.self)) }
        ?? UnsafePointer(codes!.codePointer)
      return code.packing(of: tensor.shape).packed(bytes, by: table)
    }
  }

  /// What has to fit a float type for MLX, which computes `q · scale + bias` in that type, to decode
  /// what was trained: the parts, and the largest product. (An odd code times an odd significand is
  /// odd, so no smaller code takes more bits.) In F32 only the parts matter: its roundings there are
  /// those of any float computation.
  var numbers: [Tensor] {
    guard code.mode == .affine else { return [] }
    let (scales, biases) = affine
    return [scales, biases, scales * Float(1 << code.bits - 1)]
  }

  /// What MLX decodes when scales and biases are of a type narrower than F32.
  func decoded(_ type: ScalarType) -> Tensor {
    guard code.mode == .affine else { return tensor }
    let scales = type.rounded(affine.scales).elements
    let biases = type.rounded(affine.biases).elements
    let codes = PooledBuffer(byteCount: tensor.count)
    let pointer = codes.pointer.assumingMemoryBound(to: UInt8.self)
    code.packing(of: tensor.shape).unpack(packedCodes, into: pointer)
    let products = Tensor.filled(tensor.shape) { values in
      for place in 0..<tensor.count {
        values[place] = Float(pointer[place]) * scales[place / code.group]
      }
    }
    let sums = Tensor.filled(tensor.shape) { values in
      type.rounded(products).withElements { products in
        for place in 0..<tensor.count {
          values[place] = products[place] + biases[place / code.group]
        }
      }
    }
    return withExtendedLifetime(codes) { type.rounded(sums) }
  }
}
