import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Puts the tensors of a model into a file: chooses a type for each, and tells the report and the
/// metadata what a reader needs to know beside it.
struct GGUFTensors {
  private let model: ShippedModel
  private let names: GGUFNames
  private let options: ExportOptions
  private let forced: GGUFType?

  private(set) var report: ExportReport
  /// What readers of our own need beside the blocks, in the order of the model.
  private(set) var extras: [(String, GGUFValue)] = []
  /// Whether every quantized weight can be read back as codes.
  private(set) var keepsCodes = true
  private var elements: [GGUFType: Int] = [:]
  /// Quantized weights that no block type holds, by format.
  private var plainCount: [String: Int] = [:]

  init(
    _ model: ShippedModel, _ names: GGUFNames, _ options: ExportOptions, forced: GGUFType?,
    report: ExportReport
  ) {
    self.model = model
    self.names = names
    self.options = options
    self.forced = forced
    self.report = report
  }

  /// The type most elements of matrices have.
  var mostlyType: GGUFType {
    elements.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key ?? .f32
  }

  /// Adds every tensor of the model.
  mutating func add(to writer: inout GGUFWriter) throws {
    let parameters = model.parameters
    let paths = model.tensorPaths
    let floats = paths.filter { parameters[$0].shape.rank > 1 && !hasCodes($0) }
    let type = options.floatType ?? .narrowest(holding: floats.lazy.map { parameters[$0] })
    for path in paths {
      guard let name = names.name(of: path) else {
        throw ExportError.impossible(
          format: report.format, path: path.name, what: "this parameter",
          because: "llama.cpp's architecture '\(names.architecture)' has no tensor for it",
          instead: "Merge it into the weights first, or choose another format.")
      }
      if hasCodes(path), let codes = model.codes(at: path) {
        try addCodes(codes, path, name, to: &writer)
      } else {
        addPlain(path, name, as: parameters[path].shape.rank > 1 ? type : .float32, to: &writer)
      }
    }
    addRotaryFactors(to: &writer)
    for (format, count) in plainCount.sorted(by: { $0.key < $1.key }) {
      report.notes.append(
        "\(count) weights of \(format) are stored as plain numbers, bit for bit: no block type of "
          + "ggml holds them as they are")
    }
  }

  private func hasCodes(_ path: ParameterPath) -> Bool {
    guard let plan = model.plan else { return model.parameters[path].encoded is QuantizedTensor }
    return plan.quantizer(at: path) != nil
  }

  // MARK: Plain numbers

  private mutating func addPlain(
    _ path: ParameterPath, _ name: String, as type: ScalarType, to writer: inout GGUFWriter
  ) {
    let (tensor, order) = (model.parameters[path], names.rowOrder(of: path))
    let isExact = options.floatType == nil || type == .float32 || type.holds(tensor)
    let kind = GGUFType(type)!
    report.add(
      path, kind.name, byteCount: tensor.count * type.byteCount, trained: tensor,
      stored: isExact ? nil : type.rounded(tensor))
    if tensor.shape.rank > 1 { elements[kind, default: 0] += tensor.count }
    writer.add(name, tensor.shape.dimensions, kind) { file in
      try Self.write(Self.reordered(tensor, order), as: type, to: file)
    }
  }

  private static func write(_ tensor: Tensor, as type: ScalarType, to file: AtomicFile) throws {
    let scratch = PooledBuffer(byteCount: min(tensor.count, 1 << 18) * type.byteCount)
    try tensor.forEachPiece(of: 1 << 18) { piece in
      _ = type.encode(piece.baseAddress!, count: piece.count, into: scratch.pointer)
      try file.write(
        UnsafeRawBufferPointer(start: scratch.pointer, count: piece.count * type.byteCount))
    }
  }

  /// The tensor with its rows (or elements, of an offset) in the order of the file.
  static func reordered(_ tensor: Tensor, _ order: [Int]?) -> Tensor {
    guard let order else { return tensor }
    if let halves = tensor.halfElements {
      var places = order
      for (row, from) in order.enumerated() { places[from] = row }
      return Tensor(tensor.shape, decoding: halves.moved(toRows: places))
    }
    let width = tensor.count / order.count
    return Tensor.filled(tensor.shape) { target in
      tensor.copied().withElements { source in
        for (row, from) in order.enumerated() {
          (target + row * width).update(from: source + from * width, count: width)
        }
      }
    }
  }

  // MARK: Codes

  private mutating func addCodes(
    _ codes: QuantizedTensor, _ path: ParameterPath, _ name: String, to writer: inout GGUFWriter
  ) throws {
    let traits = GGUFWeightTraits(
      path, codes.shape, format: codes.format, granularity: codes.granularity,
      scaleFormat: codes.scaleFormat, isSymmetric: codes.isSymmetric)
    let choice = try GGUFChoice.of(codes, traits, forced: forced, path: path.name)
    elements[choice.type, default: 0] += codes.count
    let (model, order, type) = (model, names.rowOrder(of: path), choice.type)
    let byteCount = type.byteCount(codes.count)!
    if let scalar = type.scalarType {
      report.add(
        path, type.name, byteCount: byteCount, trained: model.parameters[path],
        stored: choice.isExact ? nil : scalar.rounded(codes.tensor))
      keepsCodes = keepsCodes && choice.isExact
      if forced?.scalarType == nil { plainCount[codes.format.name, default: 0] += 1 }
      writer.add(name, codes.shape.dimensions, type) { file in
        // Made anew: the decoded numbers of all weights together would be the float model.
        let values = model.codes(at: path)!.tensor
        try Self.write(Self.reordered(values, order), as: scalar, to: file)
      }
    } else {
      let packer = GGUFPacker(codes, traits, as: type, rowOrder: order)
      report.add(
        path, type.name, byteCount: byteCount, trained: codes.tensor,
        stored: choice.isExact ? nil : packer.stored)
      writer.add(name, codes.shape.dimensions, type) { file in
        try GGUFPacker(model.codes(at: path)!, traits, as: type, rowOrder: order).write(to: file)
      }
      if type == .nvfp4 { addTensorScale(codes.scales.tensorScale, name, to: &writer) }
    }
    if model.plan != nil { addExtras(codes, path, type) }
  }

  private func addTensorScale(_ scale: Float, _ name: String, to writer: inout GGUFWriter) {
    writer.add(GGUFNames.scaleName(name), [1], .f32) { file in
      try file.write(littleEndian(scale.bitPattern))
    }
  }

  /// What the blocks do not say of codes.
  private mutating func addExtras(
    _ codes: QuantizedTensor, _ path: ParameterPath, _ type: GGUFType
  ) {
    if type.scalarType != nil {
      extras.append((GGUFKeys.scales(path), GGUFKeys.text(codes.scales.scales.elements)))
      if codes.scaleFormat == .e4m3 {
        extras.append((GGUFKeys.tensorScale(path), .float32(codes.scales.tensorScale)))
      }
    }
    if let zeroPoints = codes.scales.zeroPoints, ![.q41, .q51, .q4K].contains(type) {
      extras.append(
        (GGUFKeys.zeroPoints(path), GGUFKeys.text(zeroPoints.elements.map { UInt8($0) })))
    }
    let usual = model.plan?.quantizer(at: path)?.format
    if let codebook = codes.format as? Codebook, codebook != usual as? Codebook {
      extras.append((GGUFKeys.levels(path), .float32s(codebook.levels)))
    } else if let float = codes.format as? Minifloat, float != usual as? Minifloat {
      extras.append((GGUFKeys.split(path), .int32s([float.exponentBits, float.mantissaBits])))
    }
  }

  /// What Llama 3.1's rule divides each frequency by.
  private func addRotaryFactors(to writer: inout GGUFWriter) {
    guard let factors = GGUFConfiguration.rotaryFactors(names.configuration) else { return }
    writer.add("rope_freqs.weight", [factors.count], .f32) { file in
      try file.write(factors.flatMap { littleEndian($0.bitPattern) })
    }
  }
}
