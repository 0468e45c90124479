package import Foundation
import GyroModels
import GyroQuantization
import GyroTensors

/// What all model folders share: `config.json` beside `model.safetensors`.
package enum ModelFolder {
  /// Tensors that other programs store and that follow from `config.json`.
  private static let derived = ["rotary_emb.inv_freq", "masked_bias", "attn.bias"]

  /// The bytes of `config.json`.
  static func configuration(of directory: URL) throws(CheckpointError) -> Data {
    let file = directory.appendingPathComponent("config.json")
    do {
      return try Data(contentsOf: file)
    } catch {
      let there = FileManager.default.fileExists(atPath: directory.path)
      throw .unreadableFile(
        file: file.path,
        reason: there ? "a model folder needs it" : "there is no folder \(directory.path)")
    }
  }

  /// Makes the folder, and those it lies in.
  package static func create(_ directory: URL) throws(FileError) {
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    } catch {
      throw .unwritable(path: directory.path, reason: error.localizedDescription)
    }
  }

  /// Gives every declared path its tensor, weights on their grids, and declares what the scheme's
  /// quantizers keep for activations.
  /// - Parameter reading: reads weights of another layout; see `LanguageModel`.
  /// - Returns: the names in the files that nothing asked for.
  static func fill(
    _ parameters: inout ParameterStore, from files: SafetensorsDirectory,
    _ scheme: QuantizationScheme?, reading: LanguageModel.WeightReader? = nil
  ) throws -> [String] {
    let plan = try scheme.map { try QuantizationPlan($0, for: parameters) }
    let names = Set(files.names)
    let record = plan == nil ? nil : try QuantizerRecord(in: files.url)
    var used: Set<String> = []
    for path in parameters.paths {
      let name = path.name
      if let (value, known) = try reading?(path, parameters[path].shape, plan) {
        parameters[path] = value
        used.formUnion(known)
        continue
      }
      if names.contains(name + "_packed"), let quantizer = plan?.quantizer(at: path) {
        parameters[path] = try QuantizedWeight(name: name, quantizer: quantizer)
          .read(parameters[path].shape, files)
        used.formUnion(QuantizedWeight.suffixes.map { name + $0 })
        continue
      }
      let entry = try files.entry(name)
      let expected = parameters[path].shape
      guard entry.shape == expected else {
        throw CheckpointError.wrongShape(
          file: try files.file(holding: name).url.path, tensor: name,
          expected: "\(expected)", found: "\(entry.shape)")
      }
      used.insert(name)
      if entry.type == .int8 {
        parameters[path] = try codes(name, entry, files)
        used.insert(name + "_scale")
      } else if let record, let quantizer = plan?.quantizer(at: path), record.contains(path) {
        parameters[path] = try record.onGrid(files.tensor(name), of: path, quantizer)
      } else {
        parameters[path] = try files.tensor(name)
      }
    }
    if let plan {
      let recorded = try record?.states(plan)
      for path in plan.siteStatePaths {
        let state = try recorded?[path] ?? files.tensor(path.name)
        parameters.declare(path, state, kind: .buffer)
        used.insert(path.name)
      }
    }
    return files.names.filter { name in
      !used.contains(name) && !derived.contains { name.hasSuffix($0) }
    }
  }

  /// An int8 tensor and its scales, put back on the grid they were written from.
  private static func codes(
    _ name: String, _ entry: SafetensorsEntry, _ files: SafetensorsDirectory
  ) throws(CheckpointError) -> Tensor {
    let scaleName = name + "_scale"
    let scales = try files.tensor(scaleName)
    let rows = scales.count
    let file = try files.file(holding: scaleName).url.path
    guard rows == 1 || rows == entry.shape[0] else {
      throw .malformedTensor(
        file: file, tensor: scaleName, expected: "1 or \(entry.shape[0]) scales",
        found: "shape \(scales.shape)")
    }
    guard scales.elements.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw .malformedTensor(
        file: file, tensor: scaleName, expected: "positive, finite scales",
        found: "others among them")
    }
    let grid = IntegerGrid(uninitializedRows: rows, columns: entry.shape.count / max(rows, 1))
    let bytes = try files.bytes(name)
    bytes.withUnsafeBytes { raw in
      if let base = raw.baseAddress {
        grid.codes.pointer.copyMemory(from: base, byteCount: raw.count)
      }
    }
    scales.withElements { grid.scalePointer.update(from: $0, count: rows) }
    return Tensor(entry.shape, on: grid)
  }

  /// Writes all tensors, those on a grid as codes and scales: plain int8 codes under the weight's own
  /// name, others packed.
  ///
  /// - Parameter finishing: writes what belongs to the weights, just before they get their name.
  static func write(
    _ parameters: ParameterStore, _ scheme: QuantizationScheme?, to directory: URL,
    as type: ScalarType, finishing: () throws -> Void
  ) throws {
    var metadata = ["format": "pt"]
    if let scheme { metadata["gyro_scheme"] = scheme.fingerprint }
    let plan = try scheme.map { try QuantizationPlan($0, for: parameters) }
    let exact = Set(plan?.siteStatePaths ?? [])
    var writer = SafetensorsWriter(metadata: metadata)
    for path in parameters.paths {
      let value = parameters[path]
      if let grid = value.wholeGrid, plan?.quantizer(at: path)?.format.bits ?? 8 == 8 {
        writer.add(
          path.name, shape: value.shape, type: .int8,
          producingBytes: {
            Array(UnsafeRawBufferPointer(start: grid.codes.pointer, count: value.count))
          })
        writer.add(
          path.name + "_scale", Tensor([grid.rows, 1], elements: grid.scaleArray), as: .float32)
      } else if let quantizer = plan?.quantizer(at: path), let codes = quantizer.codes(of: value) {
        QuantizedWeight(name: path.name, quantizer: quantizer).add(codes, to: &writer)
      } else {
        writer.add(path.name, value, as: exact.contains(path) ? .float32 : type)
      }
    }
    try writer.write(toDirectory: directory) {
      try finishing()
      try QuantizerRecord.remove(from: directory)
    }
  }
}
