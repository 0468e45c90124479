import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// The tensors of one quantized layer in a file.
///
/// - `weight_packed` and `weight_shape`, or `weight`: the codes;
/// - `weight_scale`; `weight_zero_point` of asymmetric whole numbers;
/// - `weight_global_scale`: what NVFP4 divides the scales by.
struct CompressedWeight {
  let name: String
  let layout: CompressedLayout
  let shape: Shape
  let value: Tensor
  let scales: GroupScales
  /// The type of scales that are plain numbers.
  let scaleType: ScalarType

  /// - Throws: ``ExportError/impossible(format:path:what:because:instead:)`` for a weight with levels
  ///   of its own, or scales that the layout has no numbers for.
  init(
    _ module: CompressedModules.Module, _ value: Tensor, scheme quantizer: Quantizer?,
    scaleType: ScalarType
  ) throws(ExportError) {
    name = module.name
    layout = module.layout!
    shape = value.shape
    self.value = value
    self.scaleType = scaleType
    func impossible(_ reason: String, _ what: String) -> ExportError {
      .impossible(
        format: CompressedTensorsExporter.name, path: module.weight.name, what: what,
        because: reason, instead: "Export to 'safetensors', which holds the values themselves.")
    }
    guard let grid = value.quantizerGrid else {
      throw impossible("the weight is on no grid", "plain numbers under a rule")
    }
    scales = grid.scales
    if let own = grid.format, let quantizer, !own.hasNumbers(of: quantizer.format) {
      throw impossible("its levels were learned for this weight alone", own.name)
    }
    let carrier = layout.carrier
    let holds = scales.scales.elements.allSatisfy { carrier.trained(carrier.stored($0)) == $0 }
    guard holds, (1 / scales.tensorScale).isFinite else {
      throw impossible("its scales are too small for Float32", "scales")
    }
  }

  /// What a report calls it.
  var storage: String {
    let arguments = layout.weights
    let element = arguments.element == .int ? "int\(arguments.bits)" : "fp\(arguments.bits)"
    let strategy =
      switch arguments.strategy {
      case .tensor: "tensor"
      case .channel, .token: "channel"
      case .group(let size), .tensorGroup(let size): "group-\(size)"
      case .block(let rows, let columns): "block-\(rows)x\(columns)"
      }
    return "\(layout.format.rawValue) \(element) \(strategy)"
      + (arguments.isSymmetric ? "" : " asymmetric")
  }

  /// The extents of the table of scales.
  static func scaleShape(_ strategy: CompressedArguments.Strategy, of shape: Shape) -> Shape {
    switch strategy {
    case .tensor: [1]
    case .channel, .token: [shape[0], 1]
    case .group(let size), .tensorGroup(let size): [shape[0], shape[1] / size]
    case .block(let rows, let columns): [shape[0] / rows, shape[1] / columns]
    }
  }

  // MARK: Writing

  /// Adds the tensors to a file.
  /// - Returns: how many bytes they take.
  func add(to writer: inout SafetensorsWriter) -> Int {
    let before = writer.byteCount
    let bits = layout.carrier.element.bits
    let (rows, columns) = (shape[0], shape[1])
    switch layout.format {
    case .packed:
      writer.add(
        name + ".weight_packed", shape: [rows, Self.words(columns, bits: bits)], type: .int32,
        producingBytes: { packed(bits, offset: 1 << (bits - 1)) })
      writer.add(
        name + ".weight_shape", shape: [2], type: .int64, integers: [Int64(rows), Int64(columns)])
    case .integers:
      writer.add(name + ".weight", shape: shape, type: .int8, producingBytes: { codes() })
    case .floats, .mxfp8:
      writer.add(name + ".weight", shape: shape, type: .float8E4M3, producingBytes: { codes() })
    case .nvfp4, .mxfp4, .mxfp6:
      writer.add(
        name + ".weight_packed", shape: [rows, columns * bits / 8], type: .uint8,
        producingBytes: { packed(bits, offset: 0) })
    }
    addScales(to: &writer)
    addZeroPoints(bits, to: &writer)
    return writer.byteCount - before
  }

  private func addScales(to writer: inout SafetensorsWriter) {
    let extents = Self.scaleShape(layout.weights.strategy, of: shape)
    let key = name + ".weight_scale"
    switch layout.format {
    case .packed, .integers, .floats:
      let type = layout.format == .packed ? scaleType : .float32
      writer.add(
        key, Tensor(extents, elements: scales.scales.elements.map(layout.carrier.stored)), as: type)
    case .mxfp4, .mxfp6, .mxfp8:
      let exponents = scales.scales.elements.map { UInt8($0.bitPattern >> 23) }
      writer.add(key, shape: extents, type: .uint8, bytes: exponents)
    case .nvfp4:
      writer.add(
        key, shape: extents, type: .float8E4M3, bytes: ScaleFormat.e4m3.codes(of: scales))
      writer.add(
        name + ".weight_global_scale", Tensor([1], elements: [Self.divisor(scales.tensorScale)]))
    }
  }

  private func addZeroPoints(_ bits: Int, to writer: inout SafetensorsWriter) {
    guard let zeroPoints = scales.zeroPoints?.elements else { return }
    let extents = Self.scaleShape(layout.weights.strategy, of: shape)
    let key = name + ".weight_zero_point"
    guard layout.format == .packed else {
      let half = Float(1 << (bits - 1))
      writer.add(key, Tensor(extents, elements: zeroPoints.map { $0 - half }), as: .int8)
      return
    }
    // Packed along the rows: a stream for each column of the table.
    let (rows, columns) = (extents[0], extents[1])
    let packing = Self.packing(rows: columns, columns: rows, bits: bits)
    let numbers = (0..<columns).flatMap { column in
      (0..<rows).map { UInt8(zeroPoints[$0 * columns + column]) }
    }
    let streams = packing.packed(numbers, by: (0..<256).map { UInt8($0) })
    let words = packing.rowBytes / 4
    writer.add(
      key, shape: [words, columns], type: .int32,
      bytes: Self.transposed(streams, rows: columns, columns: words))
  }

  /// How codes, and zero points, lie in words of 32 bits.
  static func packing(rows: Int, columns: Int, bits: Int) -> BitRows {
    BitRows(rows: rows, columns: columns, bits: bits, wordBytes: 4)
  }

  /// Words a row of `count` numbers takes.
  static func words(_ count: Int, bits: Int) -> Int {
    packing(rows: 1, columns: count, bits: bits).rowBytes / 4
  }

  /// A table of words, turned.
  static func transposed(_ words: [UInt8], rows: Int, columns: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(words.count)
    for column in 0..<columns {
      for row in 0..<rows {
        let place = 4 * (row * columns + column)
        result += words[place..<place + 4]
      }
    }
    return result
  }

  /// The number whose reciprocal is a scale: the one that gives it back bit for bit, if there is one.
  static func divisor(_ scale: Float) -> Float {
    let nearest = 1 / scale
    return [nearest, nearest.nextUp, nearest.nextDown].first { 1 / $0 == scale } ?? nearest
  }

  // MARK: Codes

  /// The file's codes, one byte each.
  private func codes() -> [UInt8] {
    var result = [UInt8](repeating: 0, count: shape.count)
    withCodes { source, table in
      for place in result.indices { result[place] = table[Int(source[place])] }
    }
    return result
  }

  private func packed(_ bits: Int, offset: Int) -> [UInt8] {
    let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
    return withCodes { source, table in
      let numbers = table.map { ($0 &+ UInt8(truncatingIfNeeded: offset)) & mask }
      return Self.packing(rows: shape[0], columns: shape[1], bits: bits).packed(source, by: numbers)
    }
  }

  /// Calls `body` with our codes and the file's code of each.
  private func withCodes<Result>(_ body: (UnsafePointer<UInt8>, [UInt8]) -> Result) -> Result {
    if let grid = value.wholeGrid, case .integer = layout.carrier.element, layout.carrier.shift == 0
    {
      // The grid's signed bytes are the file's codes.
      return withExtendedLifetime(grid) {
        body(
          UnsafeRawPointer(grid.codes.pointer).assumingMemoryBound(to: UInt8.self),
          (0..<256).map { UInt8($0) })
      }
    }
    guard let codes = value.encoded as? QuantizedTensor else {
      preconditionFailure("CompressedWeight: \(name) has no codes")
    }
    return withExtendedLifetime(codes) {
      body(UnsafePointer(codes.codePointer), layout.carrier.encoded)
    }
  }
}

extension NumberFormat {
  /// Whether two formats give the same number to every code.
  func hasNumbers(of other: any NumberFormat) -> Bool {
    bits == other.bits
      && (0..<(1 << bits)).allSatisfy {
        decode(UInt8($0)).bitPattern == other.decode(UInt8($0)).bitPattern
      }
  }
}
