import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Reads a weight of a file of our own back as codes and scales of the quantizer that made it.
struct GGUFCodesReader {
  private let reader: GGUFTensorReader
  private let path: ParameterPath
  private let shape: Shape
  private let quantizer: Quantizer
  private let format: any NumberFormat

  init(
    _ reader: GGUFTensorReader, _ path: ParameterPath, _ shape: Shape, _ quantizer: Quantizer
  ) throws {
    self.reader = reader
    self.path = path
    self.shape = shape
    self.quantizer = quantizer
    format = try Self.learnedFormat(reader.file, path, quantizer) ?? quantizer.format
  }

  private var file: GGUFFile { reader.file }
  private var place: String { "tensor '\(reader.names.name(of: path) ?? path.name)'" }

  /// The format that was learned for this weight; nil where it is the scheme's.
  private static func learnedFormat(
    _ file: GGUFFile, _ path: ParameterPath, _ quantizer: Quantizer
  ) throws -> (any NumberFormat)? {
    if let value = file.metadata[GGUFKeys.levels(path)] {
      guard let levels = value.floats, (2...256).contains(levels.count),
        levels.allSatisfy(\.isFinite), zip(levels, levels.dropFirst()).allSatisfy({ $0 < $1 })
      else {
        throw file.malformed(GGUFKeys.levels(path), "2 to 256 levels in rising order", "others")
      }
      return Codebook(name: quantizer.format.name, levels: levels)
    }
    guard let value = file.metadata[GGUFKeys.split(path)] else { return nil }
    guard let bits = value.integers, bits.count == 2, (1...7).contains(bits[0]),
      (0...7).contains(bits[1]), (2...7).contains(bits[0] + bits[1])
    else { throw file.malformed(GGUFKeys.split(path), "exponent and mantissa bits", "others") }
    return Minifloat.allFinite(exponentBits: bits[0], mantissaBits: bits[1])
  }

  /// The weight on its grid, as training had it.
  func tensor() throws -> Tensor {
    let groups = try quantizer.layout(of: shape, named: path).groups
    let (entry, type) = try reader.entry(of: path, shape)
    let codes =
      type.scalarType != nil
      ? try divided(groups) : try blocks(entry, type, groups)
    return quantizer.tensor(of: codes)
  }

  private func made(_ codes: PooledBuffer, _ scales: GroupScales) -> QuantizedTensor {
    QuantizedTensor(
      shape: shape, format: format, granularity: quantizer.granularity,
      scaleFormat: quantizer.scaleFormat, codes: codes, scales: scales)
  }

  private func checked(_ scales: [Float], _ what: String) throws -> Tensor {
    guard scales.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw file.malformed(what, "positive, finite scales", "others among them")
    }
    return Tensor([scales.count], elements: scales)
  }

  // MARK: Plain numbers

  /// A number divided by its scale is within a rounding of its code.
  private func divided(_ groups: Int) throws -> QuantizedTensor {
    let key = GGUFKeys.scales(path)
    guard let scales = GGUFKeys.floats(file.metadata[key]), scales.count == groups else {
      throw file.malformed(key, "\(groups) scales in base 64", "none, or others")
    }
    let tensorScale = file.metadata[GGUFKeys.tensorScale(path)]?.float.map { Float($0) } ?? 1
    guard tensorScale.isFinite, tensorScale > 0 else {
      throw file.malformed(GGUFKeys.tensorScale(path), "a positive number", "\(tensorScale)")
    }
    let known = GroupScales(
      scales: try checked(scales, key),
      zeroPoints: quantizer.isSymmetric ? nil : try zeroPoints(groups), tensorScale: tensorScale)
    let own = try Quantizer(
      format, quantizer.granularity, scaleFormat: quantizer.scaleFormat,
      isSymmetric: quantizer.isSymmetric)
    do {
      return try own.quantized(try reader.values(of: path, shape), with: known)
    } catch let error as NotFiniteRow {
      throw file.malformed(place, "finite numbers", "others: \(error)")
    }
  }

  private func zeroPoints(_ groups: Int) throws -> Tensor {
    let key = GGUFKeys.zeroPoints(path)
    guard let bytes = GGUFKeys.bytes(file.metadata[key]), bytes.count == groups,
      bytes.allSatisfy({ Int($0) < 1 << format.bits })
    else { throw file.malformed(key, "\(groups) zero points in base 64", "none, or others") }
    return Tensor([groups], elements: bytes.map { Float($0) })
  }

  // MARK: Blocks

  private func blocks(
    _ entry: GGUFEntry, _ type: GGUFType, _ count: Int
  ) throws -> QuantizedTensor {
    let traits = GGUFWeightTraits(
      path, shape, format: format, granularity: quantizer.granularity,
      scaleFormat: quantizer.scaleFormat, isSymmetric: quantizer.isSymmetric)
    guard traits.holdsCodes(type), traits.fits(type) else {
      throw file.malformed(
        place, "blocks that hold \(format.name) per \(quantizer.granularity)", type.name)
    }
    let groups = GroupIndex(quantizer.granularity, of: shape)
    let codes = PooledBuffer(byteCount: shape.count)
    let target = codes.pointer.assumingMemoryBound(to: UInt8.self)
    var scales = [Float](repeating: .nan, count: count)
    let needsZeroPoints = !quantizer.isSymmetric
    let hasOffset = [.q41, .q51, .q4K].contains(type)
    var zeroPoints =
      needsZeroPoints && !hasOffset
      ? try self.zeroPoints(count).elements.map { Int($0) } : [Int](repeating: -1, count: count)
    let table = CodeTable(traits, type)
    try reader.forEachBlock(entry, type, order: reader.names.rowOrder(of: path)) {
      block, row, column in
      for run in block.steps.indices {
        let start = column + run * type.runLength
        let group = groups[row: row, column: start]
        let scale = block.scale(ofRun: run) / table.unit
        let zero =
          hasOffset ? Self.zeroPoint(block, run) : needsZeroPoints ? zeroPoints[group] : 0
        if scales[group].isNaN {
          scales[group] = scale
          if hasOffset { zeroPoints[group] = zero }
        }
        guard scales[group] == scale, !hasOffset || zeroPoints[group] == zero else {
          throw file.malformed(place, "one scale per \(quantizer.granularity)", "several")
        }
        let line = target + row * shape.columns + start
        for offset in 0..<type.runLength {
          let number = Int(block.numbers[run * type.runLength + offset])
          guard let code = table.code(number, zero) else {
            throw file.malformed(place, "codes of \(format.name)", "the number \(number)")
          }
          line[offset] = code
        }
      }
    }
    let tensorScale = type == .nvfp4 ? try reader.tensorScale(entry) : 1
    if type == .nvfp4 { for group in scales.indices { scales[group] *= tensorScale } }
    if needsZeroPoints, zeroPoints.contains(where: { !(0..<1 << format.bits).contains($0) }) {
      throw file.malformed(place, "zero points from 0 to \((1 << format.bits) - 1)", "others")
    }
    return made(
      codes,
      GroupScales(
        scales: try checked(scales, place),
        zeroPoints: needsZeroPoints
          ? Tensor([count], elements: zeroPoints.map { Float($0) }) : nil,
        tensorScale: tensorScale))
  }

  /// Where zero lies in a run: the offset in units of the scale.
  private static func zeroPoint(_ block: GGUFBlock, _ run: Int) -> Int {
    let zero = (-block.offset(ofRun: run) / block.scale(ofRun: run)).rounded()
    return zero.magnitude <= 255 ? Int(zero) : -1
  }
}

/// Codes by the whole numbers blocks hold.
private struct CodeTable {
  let unit: Float
  private let codes: [UInt8?]
  private let least: Int
  /// Whether a zero point was taken away from the numbers.
  private let isShifted: Bool
  /// What symmetric codes were lifted by.
  private let middle: Int

  init(_ traits: GGUFWeightTraits, _ type: GGUFType) {
    let hasOffset = [.q41, .q51, .q4K].contains(type)
    isShifted = !traits.isSymmetric && !hasOffset
    middle = traits.isSymmetric && hasOffset ? (type == .q51 ? 16 : 8) : 0
    guard type != .mxfp4, type != .nvfp4, let lattice = traits.lattice else {
      (unit, codes, least) = (1, (0..<16).map { UInt8($0) }, 0)
      return
    }
    unit = lattice.unit
    codes = lattice.codes
    least = lattice.range.lowerBound
  }

  func code(_ number: Int, _ zero: Int) -> UInt8? {
    let place = number - middle + (isShifted ? zero : 0) - least
    return codes.indices.contains(place) ? codes[place] : nil
  }
}
