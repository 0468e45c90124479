import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Reads tensors of a file under the model's names and in the model's order of rows, a megabyte at a
/// time.
struct GGUFTensorReader {
  let file: GGUFFile
  let names: GGUFNames

  init(_ file: GGUFFile, _ names: GGUFNames) {
    self.file = file
    self.names = names
  }

  /// The entry of a tensor that must have these extents.
  func entry(_ name: String, _ extents: [Int]) throws -> (GGUFEntry, GGUFType) {
    try GGUFConfiguration.expect(name, extents, file)
    let entry = file.entry(name)!
    guard let type = entry.type else {
      throw file.unsupported(
        "tensor '\(name)' of type \(entry.typeCode)",
        supported: GGUFType.allCases.map(\.name).joined(separator: ", "))
    }
    return (entry, type)
  }

  /// The entry that holds a parameter.
  func entry(of path: ParameterPath, _ shape: Shape) throws -> (GGUFEntry, GGUFType) {
    guard let name = names.name(of: path) else {
      throw file.unsupported("a model with \(path)", supported: "what llama.cpp has tensors for")
    }
    return try entry(name, shape.dimensions)
  }

  // MARK: Numbers

  /// A tensor as it stands in the file.
  func plain(_ name: String, _ extents: [Int]) throws -> Tensor {
    let (entry, type) = try entry(name, extents)
    return try values(entry, type, Shape(extents), order: nil)
  }

  /// A parameter's values, by ggml's arithmetic. Numbers of 16 bits stay such until looked at.
  func values(of path: ParameterPath, _ shape: Shape) throws -> Tensor {
    let (entry, type) = try entry(of: path, shape)
    let values = try values(entry, type, shape, order: names.rowOrder(of: path))
    // NVFP4's second level.
    guard type == .nvfp4, file.entry(GGUFNames.scaleName(entry.name)) != nil else { return values }
    let scale = try tensorScale(entry)
    return Tensor.filled(shape) { target in
      values.withElements { source in
        for place in 0..<shape.count { target[place] = source[place] * scale }
      }
    }
  }

  /// The number beside an NVFP4 tensor; 1 when there is none.
  func tensorScale(_ entry: GGUFEntry) throws -> Float {
    let name = GGUFNames.scaleName(entry.name)
    guard file.entry(name) != nil else { return 1 }
    let scale = try plain(name, [1]).item
    guard scale.isFinite, scale > 0 else {
      throw file.malformed("tensor '\(name)'", "a positive number", "\(scale)")
    }
    return scale
  }

  private func values(
    _ entry: GGUFEntry, _ type: GGUFType, _ shape: Shape, order: [Int]?
  ) throws -> Tensor {
    if let format = type.scalarType?.halfFormat {
      return Tensor(shape, decoding: try halves(entry, format, shape.count, order))
    }
    guard type.scalarType != nil || shape.rank == 2 else {
      throw file.unsupported(
        "tensor '\(entry.name)' of one axis as \(type.name)", supported: "F32, F16, BF16")
    }
    // An offset has an element where a matrix has a row.
    let width = order.map { shape.count / $0.count } ?? shape.columns
    var block = GGUFBlock(type.scalarType == nil ? type : .q80)
    return try Tensor.filled(shape) { values in
      try forEachPiece(entry) { bytes, first, count in
        if let scalar = type.scalarType {
          let start = first * entry.columns, length = count * entry.columns
          guard let order else { return scalar.decode(bytes, count: length, into: values + start) }
          for place in stride(from: 0, to: length, by: width) {
            scalar.decode(
              bytes + place * scalar.byteCount, count: width,
              into: values + order[(start + place) / width] * width)
          }
          return
        }
        let blocks = width / type.blockSize
        for index in 0..<count * blocks {
          let (row, part) = (first + index / blocks, index % blocks)
          block.read(bytes.assumingMemoryBound(to: UInt8.self) + index * type.blockBytes)
          block.decode(into: values + (order?[row] ?? row) * width + part * type.blockSize)
        }
      }
    }
  }

  /// Numbers of 16 bits, as they are.
  private func halves(
    _ entry: GGUFEntry, _ format: HalfElements.Format, _ count: Int, _ order: [Int]?
  ) throws -> HalfElements {
    let bits = PooledBuffer(byteCount: entry.byteCount)
    try file.read(
      entry, fromRow: 0,
      into: UnsafeMutableRawBufferPointer(start: bits.pointer, count: entry.byteCount))
    try file.checkUnchanged()
    let halves = HalfElements(format, count: count, bits: bits)
    return order.map { halves.moved(toRows: $0) } ?? halves
  }

  /// Calls `body` with the bytes of some rows, the first row's number, and how many there are.
  func forEachPiece(
    _ entry: GGUFEntry, _ body: (UnsafeRawPointer, Int, Int) throws -> Void
  ) throws {
    let width = max(entry.rowBytes, 1)
    let piece = min(max(1, (1 << 20) / width), max(entry.rows, 1))
    let scratch = PooledBuffer(byteCount: piece * width)
    for first in stride(from: 0, to: entry.rows, by: piece) {
      let count = min(piece, entry.rows - first)
      try file.read(
        entry, fromRow: first,
        into: UnsafeMutableRawBufferPointer(start: scratch.pointer, count: count * width))
      try body(scratch.pointer, first, count)
    }
    try file.checkUnchanged()
  }

  /// Calls `body` with every block, the model's row it lies in, and its first column.
  func forEachBlock(
    _ entry: GGUFEntry, _ type: GGUFType, order: [Int]?,
    _ body: (GGUFBlock, Int, Int) throws -> Void
  ) throws {
    var block = GGUFBlock(type)
    let blocks = entry.columns / type.blockSize
    try forEachPiece(entry) { bytes, first, count in
      for index in 0..<count * blocks {
        let row = first + index / blocks
        block.read(bytes.assumingMemoryBound(to: UInt8.self) + index * type.blockBytes)
        try body(block, order?[row] ?? row, index % blocks * type.blockSize)
      }
    }
  }
}

extension HalfElements {
  /// Row `i` of these at place `rows[i]`.
  func moved(toRows rows: [Int]) -> HalfElements {
    let moved = PooledBuffer(byteCount: 2 * count)
    let width = 2 * count / max(rows.count, 1)
    for (row, target) in rows.enumerated() {
      (moved.pointer + target * width).copyMemory(
        from: bits.pointer + row * width, byteCount: width)
    }
    return HalfElements(format, count: count, bits: moved)
  }
}
