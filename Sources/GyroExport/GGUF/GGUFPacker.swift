import GyroCheckpoints
import GyroQuantization
import GyroTensors

/// Writes the codes of a weight as rows of blocks. Codes and scales are regrouped, nothing else: the
/// trained numbers are the stored ones, but for the rounding of scales that half precision lacks.
struct GGUFPacker {
  private let codes: QuantizedTensor
  private let type: GGUFType
  private let groups: GroupIndex
  private let rowOrder: [Int]?
  /// By code, what blocks hold; before the zero point.
  private let numbers: [Int16]
  /// By group, what is added to `numbers`.
  private let shifts: [Int16]
  /// By group: the bits of `d` and of `m`, the bytes of one-byte scales, minimums of Q4_K.
  private let scales: [UInt16], offsets: [UInt16], bytes: [UInt8], minimums: [UInt8]

  /// - Precondition: the type holds the codes and fits the shape.
  init(_ codes: QuantizedTensor, _ traits: GGUFWeightTraits, as type: GGUFType, rowOrder: [Int]?) {
    self.codes = codes
    self.type = type
    self.rowOrder = rowOrder
    groups = GroupIndex(codes.granularity, of: codes.shape)
    let isFloat = type == .mxfp4 || type == .nvfp4
    if isFloat {
      numbers = (0..<16).map { Int16($0) }
      bytes = Self.scaleBytes(codes, type)
      (shifts, scales, offsets, minimums) = ([], [], [], [])
      return
    }
    let lattice = traits.lattice!
    let numeric = GGUFScales(codes, traits)
    let hasOffset = [.q41, .q51, .q4K].contains(type)
    let middle = type == .q51 ? 16 : 8
    numbers = lattice.numbers.map { $0 ?? 0 }
    bytes = []
    scales = numeric.scales.map { Float16($0).bitPattern }
    offsets =
      type == .q4K
      ? scales
      : hasOffset
        ? numeric.scales.indices.map { Float16(numeric.offset($0, middle: middle)).bitPattern }
        : []
    if let zeroPoints = numeric.zeroPoints {
      shifts = zeroPoints.map { hasOffset ? 0 : -Int16($0) }
      minimums = zeroPoints.map { UInt8($0) }
    } else {
      shifts = [Int16](repeating: hasOffset ? Int16(middle) : 0, count: groups.count)
      minimums = [UInt8](repeating: UInt8(middle), count: groups.count)
    }
  }

  private static func scaleBytes(_ codes: QuantizedTensor, _ type: GGUFType) -> [UInt8] {
    if type == .nvfp4 { return ScaleFormat.e4m3.codes(of: codes.scales) }
    return ScaleFormat.e8m0.codes(of: GroupScales(scales: codes.scales.scales))
  }

  var rowBytes: Int { codes.shape.columns / type.blockSize * type.blockBytes }

  /// Writes some rows of the file.
  func pack(_ rows: Range<Int>, into destination: UnsafeMutablePointer<UInt8>) {
    let columns = codes.shape.columns
    let mask = UInt8(truncatingIfNeeded: (1 << codes.format.bits) - 1)
    var block = GGUFBlock(type)
    if [.q4K, .q6K].contains(type) {
      for run in block.steps.indices { block.steps[run] = 1 }
    }
    var target = destination
    withExtendedLifetime(codes) {
      for row in rows {
        let source = rowOrder?[row] ?? row
        let line = codes.codePointer + source * columns
        for start in stride(from: 0, to: columns, by: type.blockSize) {
          fill(&block, line + start, mask, row: source, column: start)
          block.write(target)
          target += type.blockBytes
        }
      }
    }
  }

  private func fill(
    _ block: inout GGUFBlock, _ line: UnsafePointer<UInt8>, _ mask: UInt8, row: Int, column: Int
  ) {
    let group = groups[row: row, column: column]
    guard bytes.isEmpty else {
      for run in block.steps.indices {
        block.steps[run] = bytes[groups[row: row, column: column + run * type.runLength]]
      }
      for place in 0..<type.blockSize { block.numbers[place] = Int16(line[place] & mask) }
      return
    }
    block.scale = scales[group]
    if !offsets.isEmpty { block.offset = offsets[group] }
    if type == .q4K {
      for run in block.minimums.indices { block.minimums[run] = minimums[group] }
    }
    let shift = shifts[group]
    for place in 0..<type.blockSize {
      block.numbers[place] = numbers[Int(line[place] & mask)] + shift
    }
  }

  /// Appends all rows to a file, about a megabyte at a time.
  func write(to file: AtomicFile) throws {
    let (rows, width) = (codes.shape.rows, rowBytes)
    let piece = max(1, (1 << 20) / max(width, 1))
    let scratch = PooledBuffer(byteCount: min(piece, rows) * width)
    for start in stride(from: 0, to: rows, by: piece) {
      let end = min(start + piece, rows)
      pack(start..<end, into: scratch.pointer.assumingMemoryBound(to: UInt8.self))
      try file.write(UnsafeRawBufferPointer(start: scratch.pointer, count: (end - start) * width))
    }
  }

  /// The numbers that a reader of the blocks finds, row for row those of the model.
  var stored: Tensor {
    let columns = codes.shape.columns
    var bytes = [UInt8](repeating: 0, count: rowBytes)
    var block = GGUFBlock(type)
    return Tensor.filled(codes.shape) { values in
      for row in 0..<codes.shape.rows {
        bytes.withUnsafeMutableBufferPointer { pack(row..<row + 1, into: $0.baseAddress!) }
        bytes.withUnsafeBufferPointer { bytes in
          let line = values + (rowOrder?[row] ?? row) * columns
          for index in 0..<columns / type.blockSize {
            block.read(bytes.baseAddress! + index * type.blockBytes)
            block.decode(into: line + index * type.blockSize)
          }
        }
      }
    }
  }
}
