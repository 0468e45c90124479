public import Foundation
import GyroCheckpoints
public import GyroQuantization
public import GyroRotation
import GyroTensors

/// Rotations as a safetensors file, with the fingerprints of the float model and of the scheme they
/// were made for. Numbers are Float64 and survive bit for bit.
public enum RotationFile {
  /// What stages call the file.
  public static let name = "rotations.safetensors"

  /// Writes the file, whole or not at all.
  /// - Parameters:
  ///   - fingerprint: of the float model (`ModelFingerprint`).
  ///   - scheme: what the rotations were learned against.
  /// - Throws: `FileError`.
  public static func write(
    _ rotations: LlamaRotations, of fingerprint: String, _ scheme: QuantizationScheme,
    to file: URL
  ) throws {
    let archive = rotations.archived(for: fingerprint)
    var metadata = archive.metadata
    metadata["scheme"] = scheme.fingerprint
    metadata["scheme_summary"] = scheme.summary
    var writer = SafetensorsWriter(metadata: metadata)
    for (name, matrix) in archive.matrices.sorted(by: { $0.key < $1.key }) {
      writer.add(
        name, shape: [matrix.rows, matrix.columns], type: .float64,
        bytes: RotationArchive.bytes(of: matrix))
    }
    try writer.write(to: file)
  }

  /// Reads the file.
  /// - Throws: `CheckpointError`; `RotationError.fingerprint` for rotations of another model,
  ///   `.file`; `ExperimentError.otherScheme` for those learned against another scheme.
  public static func read(
    _ file: URL, for fingerprint: String, _ scheme: QuantizationScheme
  ) throws -> LlamaRotations {
    let source = try SafetensorsFile(contentsOf: file)
    var archive = RotationArchive(matrices: [:], metadata: source.metadata)
    for entry in source.entries {
      guard entry.type == .float64, entry.shape.rank == 2 else {
        throw RotationError.file(
          key: entry.name,
          problem: "should be a matrix of F64, got \(entry.type.rawValue) \(entry.shape)")
      }
      archive.matrices[entry.name] = try RotationArchive.matrix(
        rows: entry.shape[0], columns: entry.shape[1], bytes: source.bytes(entry.name),
        named: entry.name)
    }
    let rotations = try LlamaRotations(archive, for: fingerprint)
    let there = source.metadata["scheme"] ?? "without a fingerprint"
    guard there == scheme.fingerprint else {
      throw ExperimentError.otherScheme(
        file: file.path, expected: "\(scheme.fingerprint) (\(scheme.summary))",
        got: "\(there) (\(source.metadata["scheme_summary"] ?? "not described"))")
    }
    return rotations
  }

  /// The file in the folder of a stage.
  struct Location {
    let folder: URL

    var file: URL { folder.appending(path: RotationFile.name) }
    var isThere: Bool { FileManager.default.fileExists(atPath: file.path) }

    func make() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
  }
}
