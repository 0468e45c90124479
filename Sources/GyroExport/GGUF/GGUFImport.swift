import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// A model from a GGUF file, one tensor after another.
struct GGUFImport {
  private let file: GGUFFile

  init(_ file: GGUFFile) { self.file = file }

  func model() throws -> ShippedModel {
    var configuration = try GGUFConfiguration.read(file)
    let scheme = try scheme()
    let (tokenizer, warning) = GGUFTokenizerReader(file.metadata).tokenizer()
    if let tokenizer { try LanguageModel.check(tokenizer, configuration, in: file.path) }
    configuration.warnings += warning.map { [$0] } ?? []
    try configuration.check(heldBy: file.entries.reduce(0) { $0 + $1.byteCount })
    let build = ModelBuilder.unfilled()
    let model = Llama(configuration, build)
    var parameters = build.store
    let plan = try scheme.map { try QuantizationPlan($0, for: parameters) }
    let reader = GGUFTensorReader(file, GGUFNames(configuration: configuration))
    var used: Set<String> = ["rope_freqs.weight"]
    for path in parameters.paths {
      let shape = parameters[path].shape
      let (entry, type) = try reader.entry(of: path, shape)
      used.formUnion([entry.name, GGUFNames.scaleName(entry.name)])
      if let quantizer = plan?.quantizer(at: path) {
        parameters[path] = try GGUFCodesReader(reader, path, shape, quantizer).tensor()
      } else if let codes = try GGUFForeignCodes(reader, path, shape, entry, type)?.codes() {
        parameters[path] = Tensor(shape, decoding: codes)
      } else {
        parameters[path] = try reader.values(of: path, shape)
      }
    }
    for path in plan?.siteStatePaths ?? [] {
      parameters.declare(path, try state(path), kind: .buffer)
    }
    let unused = file.entries.map(\.name).filter { !used.contains($0) }
    return try ShippedModel(
      LanguageModel(
        model: model, parameters: parameters, tokenizer: tokenizer, scheme: scheme,
        warnings: configuration.warnings + LanguageModel.warnings(unused: unused)))
  }

  private func scheme() throws -> QuantizationScheme? {
    guard let value = file.metadata[GGUFKeys.scheme] else { return nil }
    let malformed = file.malformed(GGUFKeys.scheme, "a scheme in JSON", "something else")
    guard case .string(let text) = value else { throw malformed }
    do {
      return try SchemeRecord.scheme(
        Data(text), fingerprint: file.metadata[GGUFKeys.fingerprint]?.text)
    } catch is DecodingError {
      throw malformed
    }
  }

  private func state(_ path: ParameterPath) throws -> Tensor {
    let key = GGUFKeys.state(path)
    guard let elements = file.metadata[key]?.floats,
      let extents = file.metadata[GGUFKeys.stateShape(path)]?.integers,
      extents.allSatisfy({ (0...elements.count).contains($0) }), extents.count <= 8,
      extents.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue }) == elements.count
    else { throw file.malformed(key, "numbers and their extents", "none, or others") }
    return Tensor(Shape(extents), elements: elements)
  }
}

/// Codes of a weight that another program quantized, in the formats and granularities of its blocks.
struct GGUFForeignCodes {
  private let reader: GGUFTensorReader
  private let path: ParameterPath
  private let shape: Shape
  private let entry: GGUFEntry
  private let type: GGUFType
  private let isPlain: Bool

  /// - Returns: nil for blocks whose values are no whole numbers times one scale.
  init?(
    _ reader: GGUFTensorReader, _ path: ParameterPath, _ shape: Shape, _ entry: GGUFEntry,
    _ type: GGUFType
  ) {
    guard [.q40, .q50, .q80, .tq10, .tq20, .mxfp4, .nvfp4].contains(type), shape.rank == 2 else {
      return nil
    }
    self.reader = reader
    self.path = path
    self.shape = shape
    self.entry = entry
    self.type = type
    isPlain = type != .mxfp4 && type != .nvfp4
  }

  /// The codes; nil when a scale is no positive number (a block of zeros may have the scale 0).
  func codes() throws -> QuantizedTensor? {
    let groups = shape.count / type.runLength
    let numbers = PooledBuffer(byteCount: shape.count)
    let target = numbers.pointer.assumingMemoryBound(to: Int8.self)
    var scales = [Float](repeating: 1, count: groups)
    var (least, most, isSound) = (0, 0, true)
    try reader.forEachBlock(entry, type, order: reader.names.rowOrder(of: path)) {
      block, row, column in
      for run in 0..<type.blockSize / type.runLength {
        let start = row * shape.columns + column + run * type.runLength
        let scale = block.scale(ofRun: run)
        isSound = isSound && scale.isFinite && (isPlain || scale > 0)
        // Quantizers that keep the sign of the largest value in the scale are not ours.
        let sign = scale < 0 ? -1 : scale == 0 && isPlain ? 0 : 1
        scales[start / type.runLength] = scale == 0 ? 1 : scale.magnitude
        for offset in 0..<type.runLength {
          let number = sign * Int(block.numbers[run * type.runLength + offset])
          (least, most) = (min(least, number), max(most, number))
          target[start + offset] = Int8(truncatingIfNeeded: number)
        }
      }
    }
    guard isSound, most <= 127 else { return nil }
    let tensorScale = type == .nvfp4 ? try reader.tensorScale(entry) : 1
    if type == .nvfp4 { for group in scales.indices { scales[group] *= tensorScale } }
    guard scales.allSatisfy({ $0.isFinite && $0 > 0 }) else { return nil }
    let (format, scaleFormat) = formats(least...most)
    if format is Codebook { for place in 0..<shape.count { target[place] += 1 } }
    let mask = Int8(truncatingIfNeeded: (1 << format.bits) - 1)
    for place in 0..<shape.count { target[place] &= mask }
    return QuantizedTensor(
      shape: shape, format: format, granularity: .group(type.runLength), scaleFormat: scaleFormat,
      codes: numbers,
      scales: GroupScales(
        scales: Tensor([groups], elements: scales), tensorScale: tensorScale))
  }

  /// The narrowest format of the numbers that occur: a scale whose sign was turned may have led
  /// beyond the four bits of Q4_0.
  private func formats(_ range: ClosedRange<Int>) -> (any NumberFormat, ScaleFormat) {
    switch type {
    case .mxfp4: (Minifloat.e2m1, .e8m0)
    case .nvfp4: (Minifloat.e2m1, .e4m3)
    case .tq10, .tq20: (Codebook.ternary, .float16)
    case .q40: (IntegerFormat(bits: range.upperBound > 7 ? 5 : 4), .float16)
    case .q50: (IntegerFormat(bits: range.upperBound > 15 ? 6 : 5), .float16)
    default: (IntegerFormat.int8, .float16)
    }
  }
}
