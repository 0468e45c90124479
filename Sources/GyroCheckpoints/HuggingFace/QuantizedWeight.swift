import GyroModels
import GyroQuantization
import GyroTensors

/// How a quantized weight `w` lies in a file when its codes are not plain int8:
///
/// - `w_packed`, U8 `[rows, bytes]`: codes at the format's own bits, lowest bits first;
/// - `w_scale` `[groups]`: in the type the scheme names (F32, F16, BF16, F8_E8M0, F8_E4M3);
/// - `w_global_scale`, F32 `[1]`: the second level of two-level scales;
/// - `w_zero_point`, U8 `[groups]`: of asymmetric whole numbers;
/// - `w_codebook`, F32: the levels, where they were learned for this weight;
/// - `w_split`, U8 `[2]`: exponent and mantissa bits, where they were learned for this weight.
///
/// What the codes stand for follows from the scheme in `config.json`.
struct QuantizedWeight {
  let name: String
  let quantizer: Quantizer

  private var scaleType: ScalarType {
    switch quantizer.scaleFormat {
    case .float32, .powerOfTwo: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .e8m0: .float8E8M0
    case .e4m3: .float8E4M3
    }
  }

  /// Adds a weight to a file.
  func add(_ value: QuantizedTensor, to writer: inout SafetensorsWriter) {
    let bytes = value.packedCodes()
    let rows = value.shape.rows
    writer.add(
      name + "_packed", shape: [rows, rows == 0 ? 0 : bytes.count / rows], type: .uint8,
      bytes: bytes)
    addGrid(value.format, value.scales, to: &writer)
  }

  /// Adds everything but the codes.
  func addGrid(
    _ format: any NumberFormat, _ scales: GroupScales, to writer: inout SafetensorsWriter
  ) {
    if quantizer.scaleFormat.isByte {
      writer.add(
        name + "_scale", shape: scales.scales.shape, type: scaleType,
        bytes: quantizer.scaleFormat.codes(of: scales))
    } else {
      writer.add(name + "_scale", scales.scales, as: scaleType)
    }
    if quantizer.scaleFormat == .e4m3 {
      writer.add(name + "_global_scale", Tensor([1], elements: [scales.tensorScale]))
    }
    if let zeroPoints = scales.zeroPoints {
      writer.add(name + "_zero_point", zeroPoints, as: .uint8)
    }
    if let codebook = format as? Codebook, codebook != quantizer.format as? Codebook {
      writer.add(
        name + "_codebook", Tensor([codebook.levels.count], elements: codebook.levels))
    } else if let float = format as? Minifloat, float != quantizer.format as? Minifloat {
      writer.add(
        name + "_split", shape: [2], type: .uint8,
        bytes: [UInt8(float.exponentBits), UInt8(float.mantissaBits)])
    }
  }

  /// Everything `add` may have written beside the codes.
  static let suffixes = [
    "_packed", "_scale", "_global_scale", "_zero_point", "_codebook", "_split",
  ]

  /// Reads a weight of a known shape.
  func read(
    _ shape: Shape, _ files: SafetensorsDirectory
  ) throws -> Tensor {
    let (format, scales) = try readGrid(shape, files)
    let bytes = try files.bytes(name + "_packed")
    let width = (shape.columns * format.bits + 7) / 8
    guard bytes.count == shape.rows * width else {
      throw try malformed(
        "_packed", files, "\(shape.rows * width) bytes of \(format.bits)-bit codes",
        "\(bytes.count) bytes")
    }
    return quantizer.tensor(
      of: QuantizedTensor(
        unpacking: bytes, shape: shape, format: format, granularity: quantizer.granularity,
        scaleFormat: quantizer.scaleFormat, scales: scales))
  }

  /// Reads everything but the codes.
  func readGrid(
    _ shape: Shape, _ files: SafetensorsDirectory
  ) throws -> (format: any NumberFormat, scales: GroupScales) {
    let layout = try quantizer.layout(of: shape, named: ParameterPath(name))
    return (try format(files), try scales(layout.groups, files))
  }

  private func scales(
    _ groups: Int, _ files: SafetensorsDirectory
  ) throws(CheckpointError) -> GroupScales {
    let tensorScale =
      quantizer.scaleFormat == .e4m3 ? try numbers("_global_scale", 1, files).item : 1
    let scales =
      quantizer.scaleFormat.isByte
      ? try scaleBytes(groups, files, tensorScale) : try numbers("_scale", groups, files)
    guard scales.elements.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw try malformed("_scale", files, "positive, finite scales", "others among them")
    }
    return GroupScales(
      scales: scales,
      zeroPoints: quantizer.isSymmetric ? nil : try numbers("_zero_point", groups, files),
      tensorScale: tensorScale)
  }

  private func scaleBytes(
    _ groups: Int, _ files: SafetensorsDirectory, _ tensorScale: Float
  ) throws(CheckpointError) -> Tensor {
    let entry = try files.entry(name + "_scale")
    guard entry.type == scaleType, entry.shape.count == groups else {
      throw try malformed(
        "_scale", files, "\(groups) numbers of type \(scaleType.rawValue)",
        "\(entry.type.rawValue), shape \(entry.shape)")
    }
    let bytes = try files.bytes(name + "_scale")
    return Tensor(
      [groups], elements: quantizer.scaleFormat.scales(of: bytes, tensorScale: tensorScale))
  }

  private func numbers(
    _ suffix: String, _ count: Int, _ files: SafetensorsDirectory
  ) throws(CheckpointError) -> Tensor {
    let tensor = try files.tensor(name + suffix)
    guard tensor.count == count else {
      throw try malformed(suffix, files, "\(count) numbers", "shape \(tensor.shape)")
    }
    return tensor
  }

  /// The scheme's format, or the one that was learned for this weight.
  private func format(_ files: SafetensorsDirectory) throws(CheckpointError) -> any NumberFormat {
    if files.contains(name + "_split") { return try split(files) }
    guard files.contains(name + "_codebook") else { return quantizer.format }
    let levels = try files.tensor(name + "_codebook").elements
    guard (2...256).contains(levels.count), levels.allSatisfy(\.isFinite),
      zip(levels, levels.dropFirst()).allSatisfy({ $0 < $1 })
    else {
      throw try malformed(
        "_codebook", files, "2 to 256 levels in rising order", "\(levels.prefix(4))…")
    }
    return Codebook(name: quantizer.format.name, levels: levels)
  }

  private func split(_ files: SafetensorsDirectory) throws(CheckpointError) -> any NumberFormat {
    let elements = try files.tensor(name + "_split").elements
    // Whatever type the file gives them: not every Float is an Int.
    let bits = elements.compactMap { (0...7).contains($0) ? Int(exactly: $0) : nil }
    guard elements.count == 2, bits.count == 2, bits[0] >= 1, (2...7).contains(bits[0] + bits[1])
    else {
      throw try malformed(
        "_split", files, "exponent and mantissa bits", "\(elements.prefix(4))")
    }
    return Minifloat.allFinite(exponentBits: bits[0], mantissaBits: bits[1])
  }

  private func malformed(
    _ suffix: String, _ files: SafetensorsDirectory, _ expected: String, _ found: String
  ) throws(CheckpointError) -> CheckpointError {
    .malformedTensor(
      file: try files.file(holding: name + suffix).url.path, tensor: name + suffix,
      expected: expected, found: found)
  }
}
