import Foundation
import GyroModels
import GyroQuantization

/// The scheme inside a checkpoint: under `gyro` in `config.json` for us, and as
/// `quantization_config` for runtimes that read compressed-tensors.
enum SchemeRecord {
  private struct Record: Codable {
    var scheme: QuantizationScheme
    var fingerprint: String
  }

  /// The scheme a checkpoint was made under; nil for a float checkpoint.
  static func scheme(in config: Data) throws -> QuantizationScheme? {
    guard
      let object = try? JSONSerialization.jsonObject(with: config) as? [String: Any],
      let value = object["gyro"]
    else { return nil }
    let record: Record
    do {
      record = try JSONDecoder().decode(
        Record.self, from: JSONSerialization.data(withJSONObject: value))
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

  /// `config.json` with the scheme added, and the type the float tensors are stored in.
  static func adding(
    _ scheme: QuantizationScheme?, to config: Data, _ type: ScalarType,
    _ parameters: ParameterStore
  ) throws -> Data {
    var object = try JSONSerialization.jsonObject(with: config) as? [String: Any] ?? [:]
    let names: [ScalarType: String] = [.bfloat16: "bfloat16", .float16: "float16"]
    object["torch_dtype"] = names[type] ?? "float32"
    if let scheme {
      let record = Record(scheme: scheme, fingerprint: scheme.fingerprint)
      object["gyro"] = try JSONSerialization.jsonObject(with: JSONEncoder().encode(record))
      if let weights = scheme.weights, isPlainInt8(scheme) {
        object["quantization_config"] = compressedTensors(weights, scheme, parameters)
      }
    }
    return try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
  }

  /// Whether other runtimes can read the weights' layout as it stands.
  private static func isPlainInt8(_ scheme: QuantizationScheme) -> Bool {
    func isPlain(_ rule: QuantizationRule) -> Bool {
      rule.format == "int8" && rule.isSymmetric
        && [.channel, .tensor, .token].contains(rule.granularity)
    }
    return scheme.weights.map(isPlain) ?? false
      && scheme.activations.map { isPlain($0) && $0.isDynamic } ?? true
      && scheme.exceptions.isEmpty && scheme.embeddings == nil && scheme.keys == nil
      && scheme.values == nil && scheme.sites == [.input]
  }

  /// The description vLLM and transformers read: int8 weights, int8 dynamic activations.
  private static func compressedTensors(
    _ weights: QuantizationRule, _ scheme: QuantizationScheme, _ parameters: ParameterStore
  ) -> [String: Any] {
    let kept = parameters.paths.filter { path in
      parameters.parameter(at: path)?.kind == .linear && parameters[path].wholeGrid == nil
    }
    // A tied head has no weight of its own, yet readers see a linear layer there.
    let hasHead = parameters.contains("lm_head.weight")
    let ignored =
      kept.map { String($0.name.dropLast(".weight".count)) } + (hasHead ? [] : ["lm_head"])
    let activations: Any =
      scheme.activations.map { rule in
        [
          "num_bits": 8, "type": "int", "symmetric": true, "strategy": rule.granularity.description,
          "dynamic": true,
        ] as [String: Any]
      } ?? NSNull()
    return [
      "quant_method": "compressed-tensors", "format": "int-quantized",
      "quantization_status": "compressed", "ignore": ignored,
      "config_groups": [
        "group_0": [
          "targets": ["Linear"],
          "weights": [
            "num_bits": 8, "type": "int", "symmetric": true,
            "strategy": weights.granularity.description,
          ] as [String: Any],
          "input_activations": activations, "output_activations": NSNull(),
        ] as [String: Any]
      ],
    ]
  }
}
