package import Foundation
package import GyroModels
package import GyroQuantization
package import GyroTensors

/// What a layout made for other programs has no room for: the scales and zero points of weights that
/// lie there as plain numbers, and the ranges of activations' quantizers. It lies beside the weights
/// in `quantizers.gyro`, a safetensors file under a name that programs which take every
/// `*.safetensors` of a folder for weights leave alone.
///
/// Law: numbers written from a grid, and put back under the grid's scales, have the same codes.
/// (A code times its scale, divided by the scale, is within a rounding of the code.)
package struct QuantizerRecord {
  package static let fileName = "quantizers.gyro"

  private let files: SafetensorsDirectory

  /// The record of a folder; nil when there is none.
  package init?(in directory: URL) throws(CheckpointError) {
    let url = directory.appendingPathComponent(Self.fileName)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    files = try SafetensorsDirectory(file: url)
  }

  /// The fingerprint of the scheme it was written under.
  package var fingerprint: String? { files.shards[0].metadata["gyro_scheme"] }

  // MARK: Writing

  /// Writes the record of a model, or removes an older one when there is nothing to record.
  ///
  /// - Parameter weights: those that lie beside it as plain numbers.
  package static func write(
    _ weights: [ParameterPath], of parameters: ParameterStore, _ plan: QuantizationPlan,
    to directory: URL
  ) throws {
    var writer = SafetensorsWriter(metadata: ["gyro_scheme": plan.scheme.fingerprint])
    for path in weights {
      guard let quantizer = plan.quantizer(at: path), let grid = parameters[path].quantizerGrid
      else { continue }
      QuantizedWeight(name: path.name, quantizer: quantizer)
        .addGrid(grid.format ?? quantizer.format, grid.scales, to: &writer)
    }
    for path in plan.siteStatePaths where parameters.contains(path) {
      writer.add(path.name, parameters[path])
    }
    if writer.names.isEmpty {
      try? remove(from: directory)
    } else {
      try writer.write(to: directory.appendingPathComponent(fileName))
    }
  }

  /// Removes the record of a folder, if there is one.
  package static func remove(from directory: URL) throws {
    let url = directory.appendingPathComponent(fileName)
    guard FileManager.default.fileExists(atPath: url.path) else { return }
    try FileManager.default.removeItem(at: url)
  }

  // MARK: Reading

  /// Whether a weight's grid is recorded.
  package func contains(_ path: ParameterPath) -> Bool { files.contains(path.name + "_scale") }

  /// Plain numbers back on their grid.
  /// - Throws: `CheckpointError` when the record is damaged, or the numbers do not lie on the grid.
  package func onGrid(
    _ value: Tensor, of path: ParameterPath, _ quantizer: Quantizer
  ) throws -> Tensor {
    let weight = QuantizedWeight(name: path.name, quantizer: quantizer)
    let (format, scales) = try weight.readGrid(value.shape, files)
    let own = try Quantizer(
      format, quantizer.granularity, scaleFormat: quantizer.scaleFormat,
      isSymmetric: quantizer.isSymmetric)
    let plain = value.copied()
    guard let codes = try? own.quantized(plain, with: scales), codes.tensor.hasBits(of: plain)
    else {
      throw CheckpointError.malformedTensor(
        file: files.url.path, tensor: path.name,
        expected: "scales that the weight's numbers are whole codes of",
        found:
          "numbers between them; were the weights changed after the export? Remove the file to "
          + "read them as plain numbers")
    }
    return quantizer.tensor(of: codes)
  }

  /// The states of activations' quantizers, by path.
  package func states(_ plan: QuantizationPlan) throws(CheckpointError) -> [ParameterPath: Tensor] {
    var states: [ParameterPath: Tensor] = [:]
    for path in plan.siteStatePaths { states[path] = try files.tensor(path.name) }
    return states
  }
}

extension Tensor {
  /// The scales behind the elements, with the format where it was learned for this tensor alone; nil
  /// for plain numbers. Decodes nothing.
  package var quantizerGrid: (format: (any NumberFormat)?, scales: GroupScales)? {
    if let grid = wholeGrid {
      return (nil, GroupScales(scales: Tensor([grid.rows], elements: grid.scaleArray)))
    }
    return (encoded as? QuantizedTensor).map { ($0.format, $0.scales) }
  }

  fileprivate func hasBits(of other: Tensor) -> Bool {
    withElements { a in
      other.withElements { b in
        (0..<count).allSatisfy { a[$0].bitPattern == b[$0].bitPattern }
      }
    }
  }
}
