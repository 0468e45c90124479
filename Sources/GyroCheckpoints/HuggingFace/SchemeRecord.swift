package import Foundation
import GyroModels
package import GyroQuantization

/// The scheme inside a checkpoint: under `gyro` in `config.json`.
package enum SchemeRecord {
  private struct Record: Codable {
    var scheme: QuantizationScheme
    var fingerprint: String
  }

  // MARK: Apart

  /// A scheme as JSON, the same bytes for equal schemes.
  package static func text(of scheme: QuantizationScheme) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    // A scheme is plain JSON types.
    return try! encoder.encode(scheme)
  }

  /// A scheme that stands apart from its fingerprint, as in the metadata of one-file formats.
  /// - Throws: `DecodingError`; `QuantizationError.fingerprint` when it is another scheme's.
  package static func scheme(
    _ text: Data, fingerprint: String?
  ) throws -> QuantizationScheme {
    try checked(JSONDecoder().decode(QuantizationScheme.self, from: text), fingerprint)
  }

  private static func checked(
    _ scheme: QuantizationScheme, _ fingerprint: String?
  ) throws(QuantizationError) -> QuantizationScheme {
    guard scheme.fingerprint == fingerprint else {
      throw .fingerprint(expected: scheme.fingerprint, got: fingerprint ?? "none")
    }
    return scheme
  }

  // MARK: In config.json

  /// The scheme a checkpoint was made under; nil for a float checkpoint.
  package static func scheme(in config: Data) throws -> QuantizationScheme? {
    guard
      let object = try? JSONSerialization.jsonObject(with: config) as? [String: Any],
      object["gyro"] != nil
    else { return nil }
    struct Config: Decodable { let gyro: Record }
    let record: Record
    do {
      record = try JSONDecoder().decode(Config.self, from: config).gyro
    } catch {
      throw ConfigurationError.wrongType(
        key: "gyro", expected: "an object with a scheme and its fingerprint", got: "another shape")
    }
    return try checked(record.scheme, record.fingerprint)
  }

  /// `config.json` with the scheme added, and the type the float tensors are stored in.
  ///
  /// - Parameters:
  ///   - layout: the exporter whose layout the folder has; nil for checkpoints of our own.
  ///   - keys: further keys, which replace equal ones.
  package static func adding(
    _ scheme: QuantizationScheme?, to config: Data, _ type: ScalarType, layout: String? = nil,
    keys: [String: Any] = [:]
  ) throws -> [UInt8] {
    var object = try JSONSerialization.jsonObject(with: config) as? [String: Any] ?? [:]
    object["torch_dtype"] = type.torchName ?? "float32"
    if let scheme {
      let record = Record(scheme: scheme, fingerprint: scheme.fingerprint)
      var members =
        try JSONSerialization.jsonObject(with: JSONEncoder().encode(record)) as? [String: Any]
      members?["layout"] = layout
      object["gyro"] = members
    }
    object.merge(keys) { _, new in new }
    return Array(
      try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys]))
  }
}
