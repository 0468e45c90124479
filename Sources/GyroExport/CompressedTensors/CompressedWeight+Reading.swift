import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// The codes and scales of one quantized layer as a file has them.
struct CompressedWeightReader {
  let name: String
  let shape: Shape
  let arguments: CompressedArguments
  let files: SafetensorsDirectory
  /// The tensor's own scale where its reciprocal lost the last bit.
  var tensorScale: Float?

  /// Suffixes of everything a layer may have.
  static let suffixes = [
    ".weight", ".weight_packed", ".weight_shape", ".weight_scale", ".weight_zero_point",
    ".weight_global_scale", ".input_scale", ".input_zero_point", ".input_global_scale",
  ]

  private var isPacked: Bool { files.contains(name + ".weight_packed") }

  /// The element that the arguments describe.
  private var element: CodeCarrier.Element {
    switch (arguments.element, arguments.bits) {
    case (.int, let bits): .integer(bits: bits)
    case (.float, 4): .float4
    case (.float, 6): .float6
    case (.float, _): .float8
    }
  }

  private func malformed(_ suffix: String, _ expected: String, _ found: String) -> ExportError {
    .malformed(
      file: files.url.relativePath, place: "tensor '\(name + suffix)'", expected: expected,
      found: found)
  }

  // MARK: The weight

  /// The weight under a quantizer of a scheme.
  /// - Throws: ``ExportError`` and `CheckpointError`.
  func codes(_ quantizer: Quantizer) throws -> QuantizedTensor {
    let layout: CompressedLayout
    do throws(CompressedLayout.Refusal) {
      // Bytes and words hold the same codes: which of them a file has shows in its tensors.
      layout = try CompressedLayout(quantizer, inputs: nil)
    } catch {
      throw malformed("", "a layout for \(quantizer.format.name)", error.text)
    }
    guard layout.weights == arguments else {
      throw malformed(
        "", "what the scheme says (\(layout.weights.json))", "\(arguments.json)")
    }
    let carrier = layout.carrier
    let scales = try scales()
    let codes = try fileCodes { carrier.decoded[Int($0)] }
    return QuantizedTensor(
      shape: shape, format: quantizer.format, granularity: quantizer.granularity,
      scaleFormat: quantizer.scaleFormat, codes: codes,
      scales: GroupScales(
        scales: Tensor(
          [scales.scales.count], elements: scales.scales.elements.map(carrier.trained)),
        zeroPoints: scales.zeroPoints, tensorScale: scales.tensorScale))
  }

  /// The weight as the file describes it.
  /// - Throws: ``ExportError`` and `CheckpointError`.
  func codes() throws -> QuantizedTensor {
    let (format, granularity, scaleFormat) = try description()
    let scales = try scales()
    let mask = UInt8(truncatingIfNeeded: (1 << format.bits) - 1)
    let codes: PooledBuffer
    if arguments.element == .float {
      codes = try fileCodes { $0 }
    } else if arguments.isSymmetric, arguments.bits > 1 {
      codes = try fileCodes { $0 & mask }
    } else {
      // Codes count from the lowest number: those with a zero point, and the one bit of −1 and 0.
      let half = UInt8(1 << (arguments.bits - 1))
      codes = try fileCodes { $0 &+ half }
    }
    return QuantizedTensor(
      shape: shape, format: format, granularity: granularity, scaleFormat: scaleFormat,
      codes: codes, scales: scales)
  }

  /// One bit, −1 and 0.
  private static let oneBit = Codebook(name: "int1", levels: [-1, 0])

  /// Format, granularity and scale format of the arguments.
  func description() throws(ExportError) -> (any NumberFormat, Granularity, ScaleFormat) {
    let granularity: Granularity =
      switch arguments.strategy {
      case .tensor: .tensor
      case .channel, .token: .channel
      case .group(let size), .tensorGroup(let size): .group(size)
      case .block(let rows, let columns): .block(rows: rows, columns: columns)
      }
    let isDivided =
      switch granularity {
      case .group(let size): shape[1].isMultiple(of: size)
      case .block(let rows, let columns):
        shape[0].isMultiple(of: rows) && shape[1].isMultiple(of: columns)
      default: true
      }
    guard isDivided else {
      throw ExportError.unsupported(
        file: files.url.relativePath, what: "\(name): \(granularity) on a weight of \(shape)",
        supported: "groups that divide the weight")
    }
    switch element {
    case .integer(1) where arguments.isSymmetric: return (Self.oneBit, granularity, .float32)
    case .integer(let bits): return (IntegerFormat(bits: max(bits, 2)), granularity, .float32)
    case .float4: return (Minifloat.e2m1, granularity, isTwoLevel ? .e4m3 : .e8m0)
    case .float6: return (Minifloat.e2m3, granularity, .e8m0)
    case .float8: return (Minifloat.e4m3, granularity, hasExponents ? .e8m0 : .float32)
    }
  }

  private var isTwoLevel: Bool { files.contains(name + ".weight_global_scale") }

  /// Whether scales are bytes of E8M0.
  private var hasExponents: Bool {
    guard let entry = try? files.entry(name + ".weight_scale") else { return false }
    return entry.type == .uint8 || entry.type == .float8E8M0
  }

  // MARK: Codes

  private func fileCodes(_ code: (UInt8) -> UInt8?) throws -> PooledBuffer {
    let (bits, count) = (element.bits, shape.count)
    let result = PooledBuffer(byteCount: count)
    let target = result.pointer.assumingMemoryBound(to: UInt8.self)
    let table = (0..<256).map { code(UInt8($0)) }
    let dense = table.map { $0 ?? 0 }
    var isKnown = true
    let known = table.map { $0 != nil }
    if isPacked {
      CompressedWeight.packing(rows: shape[0], columns: shape[1], bits: bits)
        .unpack(try packedBytes(bits), into: target)
      let half = element.isInteger ? UInt8(1 << (bits - 1)) : 0
      for place in 0..<count {
        let fileCode = target[place] &- half
        isKnown = isKnown && known[Int(fileCode)]
        target[place] = dense[Int(fileCode)]
      }
    } else {
      let type: ScalarType = element.isInteger ? .int8 : .float8E4M3
      let bytes = try bytes(".weight", shape, [type])
      let limit = element.isInteger ? 1 << (bits - 1) : 0
      for place in 0..<count {
        let fileCode = bytes[place]
        if limit > 0, abs(2 * Int(Int8(bitPattern: fileCode)) + 1) > 2 * limit { isKnown = false }
        isKnown = isKnown && known[Int(fileCode)]
        target[place] = dense[Int(fileCode)]
      }
    }
    guard isKnown else {
      throw malformed(
        isPacked ? ".weight_packed" : ".weight", "codes of \(bits) bits", "others among them")
    }
    return result
  }

  private func packedBytes(_ bits: Int) throws -> [UInt8] {
    if element.isInteger {
      if files.contains(name + ".weight_g_idx") {
        throw ExportError.unsupported(
          file: files.url.relativePath, what: "\(name): columns in the order of activations",
          supported: "columns in their own order")
      }
      if files.contains(name + ".weight_shape") {
        let extents = try files.integers(name + ".weight_shape")
        guard extents == shape.dimensions.map(Int64.init) else {
          throw malformed(".weight_shape", "\(shape)", "\(extents.prefix(4))")
        }
      }
      return try bytes(
        ".weight_packed", [shape[0], CompressedWeight.words(shape[1], bits: bits)], [.int32])
    }
    guard (shape[1] * bits).isMultiple(of: 32) else {
      throw malformed(".weight_packed", "columns in whole groups", "\(shape)")
    }
    return try bytes(".weight_packed", [shape[0], shape[1] * bits / 8], [.uint8])
  }

  private func bytes(
    _ suffix: String, _ expected: Shape, _ types: [ScalarType]
  ) throws -> [UInt8] {
    let entry = try files.entry(name + suffix)
    guard entry.shape == expected, types.contains(entry.type) else {
      throw malformed(
        suffix, "\(types[0].rawValue) \(expected)", "\(entry.type.rawValue) \(entry.shape)")
    }
    return try files.bytes(name + suffix)
  }

  // MARK: Scales

  private func scales() throws -> GroupScales {
    _ = try description()
    let extents = CompressedWeight.scaleShape(arguments.strategy, of: shape)
    let entry = try files.entry(name + ".weight_scale")
    guard entry.shape.count == extents.count else {
      throw malformed(".weight_scale", "shape \(extents)", "\(entry.shape)")
    }
    var level: Float = 1
    let elements: [Float]
    if isTwoLevel {
      level = try ownScale()
      guard entry.type == .float8E4M3 else {
        throw malformed(".weight_scale", "F8_E4M3", entry.type.rawValue)
      }
      elements = ScaleFormat.e4m3.scales(
        of: try files.bytes(name + ".weight_scale"), tensorScale: level)
    } else if hasExponents {
      elements = ScaleFormat.e8m0.scales(of: try files.bytes(name + ".weight_scale"))
    } else if element == .float4 || element == .float6 {
      throw malformed(".weight_scale", "bytes of exponents", entry.type.rawValue)
    } else {
      elements = try files.tensor(name + ".weight_scale").elements
    }
    guard elements.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw malformed(".weight_scale", "positive, finite scales", "others among them")
    }
    return GroupScales(
      scales: Tensor([elements.count], elements: elements),
      zeroPoints: arguments.isSymmetric ? nil : try zeroPoints(extents), tensorScale: level)
  }

  private func ownScale() throws -> Float {
    let divisor = try files.tensor(name + ".weight_global_scale")
    guard divisor.count == 1, divisor.item.isFinite, divisor.item > 0 else {
      throw malformed(".weight_global_scale", "one positive number", "\(divisor.shape)")
    }
    let scale = 1 / divisor.item
    guard let tensorScale else { return scale }
    guard CompressedWeight.divisor(tensorScale) == divisor.item else {
      throw malformed(
        ".weight_global_scale", "the divisor of \(tensorScale)", "\(divisor.item)")
    }
    return tensorScale
  }

  /// Whole numbers from 0 to `2^bits − 1`.
  private func zeroPoints(_ extents: Shape) throws -> Tensor {
    let bits = arguments.bits
    let key = ".weight_zero_point"
    let half = Float(1 << (bits - 1))
    let entry = try files.entry(name + key)
    if entry.type == .int32, isPacked {
      let (rows, columns) = (extents[0], extents.rank > 1 ? extents[1] : 1)
      let words = CompressedWeight.words(rows, bits: bits)
      let bytes = try bytes(key, [words, columns], [.int32])
      var numbers = [UInt8](repeating: 0, count: extents.count)
      numbers.withUnsafeMutableBufferPointer { numbers in
        guard let target = numbers.baseAddress else { return }
        CompressedWeight.packing(rows: columns, columns: rows, bits: bits).unpack(
          CompressedWeight.transposed(bytes, rows: words, columns: columns), into: target)
      }
      return Tensor(
        [extents.count],
        elements: (0..<rows).flatMap { row in
          (0..<columns).map { Float(numbers[$0 * rows + row]) }
        })
    }
    guard entry.shape.count == extents.count else {
      throw malformed(key, "shape \(extents)", "\(entry.shape)")
    }
    let numbers = try files.tensor(name + key).elements.map { $0 + half }
    guard numbers.allSatisfy({ $0 >= 0 && $0 < 2 * half && $0 == $0.rounded() }) else {
      throw malformed(key, "whole numbers of \(bits) bits", "others among them")
    }
    return Tensor([numbers.count], elements: numbers)
  }
}

extension CodeCarrier.Element {
  var isInteger: Bool { if case .integer = self { true } else { false } }
}
