import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Reads an MLX folder, ours or another program's.
struct MLXReading {
  private let directory: URL
  private let files: SafetensorsDirectory
  private let modes: [String: Any]

  init(_ directory: URL) throws {
    self.directory = directory
    guard let config = FolderConfiguration(directory) else {
      throw ExportError.unrecognized(path: directory.path, known: ["mlx"])
    }
    modes = config.object["quantization"] as? [String: Any] ?? [:]
    files = try SafetensorsDirectory(contentsOf: directory)
  }

  func model() throws -> ShippedModel {
    let language = try LanguageModel(contentsOf: directory) { path, shape, plan in
      let name = path.name
      let module = String(name.dropLast(".weight".count))
      guard name.hasSuffix(".weight"), files.contains(module + ".scales") else { return nil }
      let value = try weight(path, module, shape, plan?.quantizer(at: path))
      return (value, [name, module + ".scales", module + ".biases"])
    }
    return try ShippedModel(language)
  }

  // MARK: One weight

  private func weight(
    _ path: ParameterPath, _ module: String, _ shape: Shape, _ quantizer: Quantizer?
  ) throws -> Tensor {
    let code = try code(path, module, shape)
    let codes = PooledBuffer(byteCount: shape.count)
    code.packing(of: shape).unpack(
      try files.bytes(path.name), into: codes.pointer.assumingMemoryBound(to: UInt8.self))
    if let quantizer {
      return try restored(path, module, shape, code, codes, quantizer)
    }
    return code.mode == .affine
      ? try affine(path, module, shape, code, codes)
      : try block(path, module, shape, code, codes)
  }

  /// Bits and group as the shapes give them; the mode as `config.json` does.
  private func code(
    _ path: ParameterPath, _ module: String, _ shape: Shape
  ) throws -> MLXCode {
    let words = try files.entry(path.name)
    let scales = try files.entry(module + ".scales")
    let own = modes[module] as? [String: Any]
    let named = (own?["mode"] ?? modes["mode"]) as? String ?? "affine"
    guard let mode = MLXCode.Mode(rawValue: named) else {
      throw ExportError.unsupported(
        file: directory.path, what: "the mode '\(named)' of \(module)",
        supported: "affine, mxfp4, mxfp8 and nvfp4")
    }
    guard shape.rank == 2, words.type == .uint32, words.shape.rank == 2,
      words.shape[0] == shape[0], shape.columns > 0, shape.rows > 0,
      (words.shape[1] * 32).isMultiple(of: shape.columns)
    else {
      throw malformed(
        path.name, "U32 words for \(shape)", "\(words.type.rawValue), shape \(words.shape)")
    }
    let bits = words.shape[1] * 32 / shape.columns
    guard scales.shape.rank == 2, scales.shape[0] == shape[0], scales.shape[1] > 0,
      shape.columns.isMultiple(of: scales.shape[1])
    else {
      throw malformed(
        module + ".scales", "scales for rows of \(shape.columns)", "shape \(scales.shape)")
    }
    let group = shape.columns / scales.shape[1]
    let isKnown =
      switch mode {
      case .affine: MLXCode.widths.contains(bits)
      case .mxfp4: bits == 4 && group == 32
      case .mxfp8: bits == 8 && group == 32
      case .nvfp4: bits == 4 && group == 16
      }
    guard isKnown else {
      throw malformed(
        path.name, "codes of mode \(mode.rawValue)", "\(bits) bits in groups of \(group)")
    }
    let type: (ScalarType) -> Bool = {
      mode == .affine ? $0.torchName != nil : $0 == .uint8
    }
    guard type(scales.type) else {
      throw malformed(
        module + ".scales", mode == .affine ? "float scales" : "U8 scales", scales.type.rawValue)
    }
    return MLXCode(mode: mode, bits: bits, group: group)
  }

  private func biases(_ module: String, _ scales: Tensor) throws -> Tensor {
    let biases = try files.tensor(module + ".biases")
    guard biases.shape == scales.shape else {
      throw malformed(module + ".biases", "shape \(scales.shape)", "shape \(biases.shape)")
    }
    return biases
  }

  // MARK: Under a scheme

  /// The weight on the grid that the scheme gives it.
  private func restored(
    _ path: ParameterPath, _ module: String, _ shape: Shape, _ found: MLXCode,
    _ codes: PooledBuffer, _ quantizer: Quantizer
  ) throws -> Tensor {
    let (format, granularity) = (quantizer.format, quantizer.granularity)
    let isSymmetric = quantizer.isSymmetric
    guard
      let code = MLXCode(
        format, granularity, quantizer.scaleFormat, isSymmetric: isSymmetric, shape: shape),
      code.mode == found.mode, code.bits == found.bits, code.group == found.group
    else {
      throw malformed(path.name, "codes of \(format.name) per \(granularity)", found.summary)
    }
    let layout = try quantizer.layout(of: shape, named: path)
    var scales = GroupScales(scales: .ones([layout.groups]))
    if code.mode == .affine {
      let stored = try files.tensor(module + ".scales")
      scales = try grouped(
        module, stored, try biases(module, stored), code, quantizer, layout, shape)
    } else {
      let bytes = try files.bytes(module + ".scales")
      scales.scales = Tensor([bytes.count], elements: quantizer.scaleFormat.scales(of: bytes))
      guard scales.scales.elements.allSatisfy({ $0.isFinite && $0 > 0 }) else {
        throw malformed(module + ".scales", "positive, finite scales", "others among them")
      }
    }
    var inverse = [UInt8](repeating: 0, count: 256)
    let mask = (1 << format.bits) - 1
    for (ours, theirs) in code.table(format, isSymmetric: isSymmetric).enumerated() {
      if ours <= mask { inverse[Int(theirs)] = UInt8(ours) }
    }
    let pointer = codes.pointer.assumingMemoryBound(to: UInt8.self)
    for place in 0..<shape.count { pointer[place] = inverse[Int(pointer[place])] }
    return quantizer.tensor(
      of: QuantizedTensor(
        shape: shape, format: format, granularity: granularity,
        scaleFormat: quantizer.scaleFormat, codes: codes, scales: scales))
  }

  /// One scale and zero point for each of our groups, which the file repeats.
  private func grouped(
    _ module: String, _ stored: Tensor, _ biases: Tensor, _ code: MLXCode, _ quantizer: Quantizer,
    _ layout: GroupLayout, _ shape: Shape
  ) throws -> GroupScales {
    var scales = [Float](repeating: 0, count: layout.groups)
    var zeroPoints = [Float](repeating: 0, count: layout.groups)
    let largest = Float((1 << quantizer.format.bits) - 1)
    let (found, offsets) = (stored.elements, biases.elements)
    let perRow = shape.columns / code.group
    let index = GroupIndex(quantizer.granularity, of: shape)
    for place in found.indices {
      let group = index[row: place / perRow, column: place % perRow * code.group]
      let scale = found[place] / code.step
      guard scale.isFinite, scale > 0, scales[group] == 0 || scales[group] == scale else {
        throw malformed(
          module + ".scales",
          "positive, finite scales, the same throughout a \(quantizer.granularity)",
          "\(scale)")
      }
      scales[group] = scale
      let zeroPoint = quantizer.isSymmetric ? 0 : (0 - offsets[place] / scale).rounded() + 0
      let expected = quantizer.isSymmetric ? code.offset * scale : 0 - zeroPoint * scale
      guard offsets[place] == expected, zeroPoint >= 0, zeroPoint <= largest else {
        throw malformed(module + ".biases", "\(expected)", "\(offsets[place])")
      }
      zeroPoints[group] = zeroPoint
    }
    return GroupScales(
      scales: Tensor([scales.count], elements: scales),
      zeroPoints: quantizer.isSymmetric ? nil : Tensor([scales.count], elements: zeroPoints))
  }

  func malformed(_ tensor: String, _ expected: String, _ found: String) -> ExportError {
    .malformed(
      file: directory.path, place: "tensor '\(tensor)'", expected: expected, found: found)
  }
}

// MARK: Without a scheme

extension MLXReading {
  /// Another program's affine codes: ours where scales are positive and biases whole zero points,
  /// else the numbers themselves.
  private func affine(
    _ path: ParameterPath, _ module: String, _ shape: Shape, _ code: MLXCode, _ codes: PooledBuffer
  ) throws -> Tensor {
    let stored = try files.tensor(module + ".scales")
    let biases = try biases(module, stored)
    let (scales, offsets) = (stored.elements, biases.elements)
    guard scales.allSatisfy(\.isFinite), offsets.allSatisfy(\.isFinite) else {
      throw malformed(module + ".scales", "finite scales and biases", "others among them")
    }
    let pointer = codes.pointer.assumingMemoryBound(to: UInt8.self)
    let largest = Float((1 << code.bits) - 1)
    let zeroPoints = zip(scales, offsets).map { (0 - $1 / $0).rounded() + 0 }
    let isWhole = zip(zip(scales, offsets), zeroPoints).allSatisfy { pair, zeroPoint in
      pair.0 > 0 && (0...largest).contains(zeroPoint) && 0 - zeroPoint * pair.0 == pair.1
    }
    guard isWhole else {
      return withExtendedLifetime(codes) {
        Self.decoded(pointer, shape, group: code.group, stored, biases)
      }
    }
    let groups: Shape = [scales.count]
    let half = Float(1 << (code.bits - 1))
    let isSymmetric = zeroPoints.allSatisfy { $0 == half }
    if isSymmetric {
      for place in 0..<shape.count { pointer[place] ^= UInt8(1 << (code.bits - 1)) }
    }
    return Tensor(
      shape,
      decoding: QuantizedTensor(
        shape: shape, format: IntegerFormat(bits: code.bits), granularity: .group(code.group),
        scaleFormat: .float32, codes: codes,
        scales: GroupScales(
          scales: Tensor(groups, elements: scales),
          zeroPoints: isSymmetric ? nil : Tensor(groups, elements: zeroPoints))))
  }

  /// Another program's mxfp4, mxfp8 or nvfp4.
  private func block(
    _ path: ParameterPath, _ module: String, _ shape: Shape, _ code: MLXCode, _ codes: PooledBuffer
  ) throws -> Tensor {
    let format = code.mode == .mxfp8 ? Minifloat.e4m3 : .e2m1
    let scaleFormat = code.mode == .nvfp4 ? ScaleFormat.e4m3 : .e8m0
    let scales = scaleFormat.scales(of: try files.bytes(module + ".scales"))
    guard scales.allSatisfy(\.isFinite) else {
      throw malformed(module + ".scales", "finite scales", "others among them")
    }
    let value = QuantizedTensor(
      shape: shape, format: format, granularity: .group(code.group), scaleFormat: scaleFormat,
      codes: codes, scales: GroupScales(scales: Tensor([scales.count], elements: scales)))
    // MLX gives a group of zeros the scale zero, which is none.
    return scales.allSatisfy { $0 > 0 } ? Tensor(shape, decoding: value) : value.tensor
  }

  /// `q · scale + bias`, in Float32.
  static func decoded(
    _ codes: UnsafePointer<UInt8>, _ shape: Shape, group: Int, _ scales: Tensor, _ biases: Tensor
  ) -> Tensor {
    Tensor.filled(shape) { values in
      scales.withElements { scales in
        biases.withElements { biases in
          for place in 0..<shape.count {
            values[place] = Float(codes[place]) * scales[place / group] + biases[place / group]
          }
        }
      }
    }
  }
}
