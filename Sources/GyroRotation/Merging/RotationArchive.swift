import Foundation
import GyroManifolds
public import GyroTensors

/// Rotations as named matrices and text, for one safetensors file (`rotations.safetensors`). Numbers
/// are Float64 and survive bit for bit when they are written as F64.
public struct RotationArchive: Sendable, Equatable {
  /// `r1`, `r2.<layer>`, `scalings.<which>.<layer>` (one row).
  public var matrices: [String: Matrix64]
  /// `format`, `model` (a ``ModelFingerprint``), and `r3`, `r4`: the transforms that run online.
  public var metadata: [String: String]

  public init(matrices: [String: Matrix64], metadata: [String: String]) {
    self.matrices = matrices
    self.metadata = metadata
  }

  /// The bytes of a matrix as F64, little-endian, row-major.
  public static func bytes(of matrix: Matrix64) -> [UInt8] {
    matrix.elements.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
  }

  /// The matrix of F64 bytes.
  /// - Throws: `RotationError.file` when their number is another.
  public static func matrix(
    rows: Int, columns: Int, bytes: [UInt8], named name: String
  ) throws(RotationError) -> Matrix64 {
    guard bytes.count == rows * columns * 8 else {
      throw .file(
        key: name, problem: "should hold \(rows * columns * 8) bytes of F64, got \(bytes.count)")
    }
    let elements = bytes.withUnsafeBytes { raw in
      (0..<rows * columns).map {
        Double(
          bitPattern: UInt64(
            littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)))
      }
    }
    return Matrix64(rows: rows, columns: columns, elements: elements)
  }
}

extension LlamaRotations {
  private static let format = "gyro-rotations-1"

  private static func name(_ pair: ScalingPair) -> String {
    "scalings." + pair.rawValue.replacing("-", with: "_")
  }

  /// Everything, for a file.
  /// - Parameter fingerprint: of the model the rotations belong to.
  public func archived(for fingerprint: String) -> RotationArchive {
    var archive = RotationArchive(
      matrices: [:], metadata: ["format": Self.format, "model": fingerprint])
    archive.matrices["r1"] = residual
    for (layer, matrix) in (values ?? []).enumerated() { archive.matrices["r2.\(layer)"] = matrix }
    archive.metadata["r3"] = keys.map(Self.text)
    archive.metadata["r4"] = feedForward.map(Self.text)
    for pair in ScalingPair.allCases {
      for (layer, row) in (scalings?[pair] ?? []).enumerated() {
        archive.matrices["\(Self.name(pair)).\(layer)"] =
          Matrix64(rows: 1, columns: row.count, elements: row)
      }
    }
    return archive
  }

  /// Reads rotations back.
  /// - Parameter fingerprint: of the model they are to be merged into.
  /// - Throws: `RotationError.fingerprint` when they belong to another, `.file`.
  public init(
    _ archive: RotationArchive, for fingerprint: String
  ) throws(RotationError) {
    guard archive.metadata["format"] == Self.format else {
      throw .file(
        key: "format",
        problem: "should be \(Self.format), got \(archive.metadata["format"] ?? "nothing")")
    }
    let model = archive.metadata["model"] ?? "without a fingerprint"
    guard model == fingerprint else { throw .fingerprint(expected: fingerprint, got: model) }
    var names = Set(archive.matrices.keys)
    func rows(_ prefix: String) -> [Matrix64]? {
      var found: [Matrix64] = []
      while let next = archive.matrices["\(prefix).\(found.count)"] {
        names.remove("\(prefix).\(found.count)")
        found.append(next)
      }
      return found.isEmpty ? nil : found
    }
    var scalings = LlamaScalings()
    for pair in ScalingPair.allCases { scalings[pair] = rows(Self.name(pair))?.map(\.elements) }
    self.init(
      residual: archive.matrices["r1"], values: rows("r2"),
      keys: try Self.transform(archive, "r3"), feedForward: try Self.transform(archive, "r4"),
      scalings: scalings == LlamaScalings() ? nil : scalings)
    names.remove("r1")
    if let name = names.min() { throw .file(key: name, problem: "is not known here") }
  }

  private static func text(_ transform: HadamardTransform) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let data = try? encoder.encode(transform) else {
      preconditionFailure("LlamaRotations: \(transform) does not encode")
    }
    return String(decoding: data, as: UTF8.self)
  }

  private static func transform(
    _ archive: RotationArchive, _ name: String
  ) throws(RotationError) -> HadamardTransform? {
    guard let text = archive.metadata[name] else { return nil }
    do {
      return try JSONDecoder().decode(HadamardTransform.self, from: Data(text.utf8))
    } catch {
      throw .file(key: name, problem: "does not describe a Hadamard transform")
    }
  }
}
