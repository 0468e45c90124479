package import Foundation
import GyroModels
package import GyroQuantization

/// The scheme inside a checkpoint: under `gyro` in `config.json`.
package enum SchemeRecord {
  private struct Record: Codable {
    var scheme: QuantizationScheme
    var fingerprint: String
  }

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
    guard record.scheme.fingerprint == record.fingerprint else {
      throw QuantizationError.fingerprint(
        expected: record.scheme.fingerprint, got: record.fingerprint)
    }
    return record.scheme
  }

  /// What stands under `gyro` in `config.json`.
  package static func json(of scheme: QuantizationScheme) throws -> Any {
    let record = Record(scheme: scheme, fingerprint: scheme.fingerprint)
    return try JSONSerialization.jsonObject(with: JSONEncoder().encode(record))
  }

  /// `config.json` with the scheme added, and the type the float tensors are stored in.
  package static func adding(
    _ scheme: QuantizationScheme?, to config: Data, _ type: ScalarType
  ) throws -> Data {
    var object = try JSONSerialization.jsonObject(with: config) as? [String: Any] ?? [:]
    let names: [ScalarType: String] = [.bfloat16: "bfloat16", .float16: "float16"]
    object["torch_dtype"] = names[type] ?? "float32"
    if let scheme { object["gyro"] = try json(of: scheme) }
    return try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
  }
}
