public import Foundation
import GyroAutodiff

extension LlamaConfiguration {
  /// Reads `config.json`, with the defaults each member of the family has for absent keys.
  public init(json data: Data) throws(ConfigurationError) {
    let reader = try JSONReader(data)
    let name = try reader.architecture()
    guard
      let family = Family(rawValue: name) ?? Family.allCases.first(where: { $0.modelType == name })
    else { throw .unknownArchitecture(name) }

    let hidden = try reader.positive("hidden_size")
    let heads = try reader.positive("num_attention_heads")
    let defaultKeyValueHeads =
      switch family {
      case .llama: heads
      case .mistral: 8
      case .qwen2, .qwen3: reader.isNull("num_key_value_heads") ? heads : 32
      }
    let keyValueHeads = try reader.positive("num_key_value_heads", default: defaultKeyValueHeads)
    let headSize = try reader.positive(
      "head_dim", default: family == .qwen3 ? 128 : max(hidden / heads, 1))
    self.init(
      vocabulary: try reader.positive("vocab_size"), hidden: hidden,
      feedForward: try reader.positive("intermediate_size"),
      layers: try reader.positive("num_hidden_layers"), heads: heads,
      keyValueHeads: keyValueHeads, headSize: headSize,
      context: try reader.positive("max_position_embeddings", default: 2048))
    self.family = family
    guard heads % keyValueHeads == 0 else {
      throw .outOfRange(
        key: "num_key_value_heads", value: "\(keyValueHeads)",
        reason: "it must divide num_attention_heads = \(heads)")
    }
    guard headSize % 2 == 0 else {
      throw .outOfRange(
        key: "head_dim", value: "\(headSize)", reason: "rotary embeddings need an even head size")
    }
    try checkExtents()
    normEpsilon = try reader.float("rms_norm_eps", default: 1e-6)
    tiedEmbeddings = try reader.flag("tie_word_embeddings", default: false)
    initializerDeviation = try reader.float("initializer_range", default: 0.02)
    let activation = try reader.string("hidden_act", default: "silu")
    guard activation == "silu" || activation == "swish" else {
      throw .unsupported(key: "hidden_act", value: activation, supported: "silu")
    }
    switch family {
    case .llama, .qwen3:
      queryKeyValueBias = try reader.flag("attention_bias", default: false)
      outputBias = queryKeyValueBias
    case .qwen2: queryKeyValueBias = true
    case .mistral: break
    }
    feedForwardBias = try reader.flag("mlp_bias", default: false)
    queryKeyNorm = family == .qwen3
    (rotaryBase, rotaryScaling) = try reader.rotary()
    beginningOfText = try reader.integers("bos_token_id").first
    endOfText = try reader.integers("eos_token_id")
    try noteSlidingWindow(reader)
  }

  private mutating func noteSlidingWindow(_ reader: JSONReader) throws(ConfigurationError) {
    let isUsed =
      switch family {
      case .mistral: true
      case .qwen2, .qwen3: try reader.flag("use_sliding_window", default: false)
      case .llama: false
      }
    guard isUsed, !reader.isNull("sliding_window") else { return }
    let window = try reader.positive("sliding_window", default: 4096)
    if family == .mistral { slidingWindow = window }
    if window < context {
      warnings.append(
        "the model was trained with an attention window of \(window) tokens; it is not applied, so "
          + "results differ for texts longer than that (the context allows \(context))")
    }
  }

  /// The object to write as `config.json`, with every key that readers guess differently spelled out.
  public var json: Data {
    var object: [String: Any] = [
      "architectures": [family.rawValue], "model_type": family.modelType,
      "vocab_size": vocabulary, "hidden_size": hidden, "intermediate_size": feedForward,
      "num_hidden_layers": layers, "num_attention_heads": heads,
      "num_key_value_heads": keyValueHeads, "head_dim": headSize,
      "max_position_embeddings": context, "hidden_act": "silu",
      "rms_norm_eps": decimal(normEpsilon), "rope_theta": rotaryBase,
      "tie_word_embeddings": tiedEmbeddings, "attention_bias": outputBias,
      "mlp_bias": feedForwardBias, "initializer_range": decimal(initializerDeviation),
      "torch_dtype": "float32", "use_cache": true,
    ]
    object["rope_scaling"] =
      switch rotaryScaling {
      case .none: NSNull()
      case .linear(let factor): ["rope_type": "linear", "factor": factor] as [String: Any]
      case .llama3(let factor, let low, let high, let original):
        [
          "rope_type": "llama3", "factor": factor, "low_freq_factor": low,
          "high_freq_factor": high, "original_max_position_embeddings": original,
        ] as [String: Any]
      }
    // Absent means 4096 to readers of Mistral's configuration.
    if family == .mistral { object["sliding_window"] = slidingWindow ?? NSNull() as Any }
    if let beginningOfText { object["bos_token_id"] = beginningOfText }
    if let first = endOfText.first {
      object["eos_token_id"] = endOfText.count == 1 ? first : endOfText as Any
    }
    // Keys and values are plain JSON types, so this cannot fail.
    return try! JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
  }

  /// The shortest decimal of a Float32, so that 1e-5 is not written as 9.999999747378752e-06.
  private func decimal(_ value: Float) -> NSDecimalNumber { NSDecimalNumber(string: "\(value)") }
}

/// Typed access to a JSON object, each failure naming its key.
private struct JSONReader {
  let object: [String: Any]

  init(_ data: Data) throws(ConfigurationError) {
    do {
      guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
        throw ConfigurationError.notAnObject(detail: "the top level is another type")
      }
      self.object = object
    } catch let error as ConfigurationError {
      throw error
    } catch {
      throw .notAnObject(detail: "\(data.count) bytes that do not parse")
    }
  }

  func isNull(_ key: String) -> Bool { object[key] is NSNull }

  private func value(_ key: String) -> Any? {
    let value = object[key]
    return value is NSNull ? nil : value
  }

  private func type(of value: Any) -> String {
    "\(value)".prefix(40) + " (\(Swift.type(of: value)))"
  }

  func architecture() throws(ConfigurationError) -> String {
    if let names = object["architectures"] as? [String], let first = names.first { return first }
    if let name = object["model_type"] as? String { return name }
    throw .missing(key: "architectures")
  }

  func number(_ key: String, default fallback: Double?) throws(ConfigurationError) -> Double {
    guard let value = value(key) else {
      guard let fallback else { throw .missing(key: key) }
      return fallback
    }
    guard let number = value as? NSNumber, !(value is Bool && "\(value)" == "\(value as! Bool)")
    else {
      throw .wrongType(key: key, expected: "a number", got: type(of: value))
    }
    guard number.doubleValue.isFinite else {
      throw .outOfRange(key: key, value: "\(number)", reason: "it must be finite")
    }
    return number.doubleValue
  }

  /// A Float32 from 0 to 1e30.
  func float(_ key: String, default fallback: Double) throws(ConfigurationError) -> Float {
    let number = try number(key, default: fallback)
    guard (0...1e30).contains(number) else {
      throw .outOfRange(key: key, value: "\(number)", reason: "it must lie from 0 to 1e30")
    }
    return Float(number)
  }

  /// A factor that frequencies are divided by or compared with.
  func factor(_ key: String) throws(ConfigurationError) -> Double {
    let number = try number(key, default: nil)
    guard (1e-6...1e9).contains(number) else {
      throw .outOfRange(key: key, value: "\(number)", reason: "it must lie from 1e-6 to 1e9")
    }
    return number
  }

  func positive(_ key: String, default fallback: Int? = nil) throws(ConfigurationError) -> Int {
    let number = try number(key, default: fallback.map(Double.init))
    // An extent beyond 2^31 would overflow the products of extents; no real model comes near it.
    guard number >= 1, number < 2_147_483_648, number == number.rounded() else {
      throw .outOfRange(key: key, value: "\(number)", reason: "it must be a positive whole number")
    }
    return Int(number)
  }

  func flag(_ key: String, default fallback: Bool) throws(ConfigurationError) -> Bool {
    guard let value = value(key) else { return fallback }
    guard let flag = value as? Bool else {
      throw .wrongType(key: key, expected: "true or false", got: type(of: value))
    }
    return flag
  }

  func string(_ key: String, default fallback: String) throws(ConfigurationError) -> String {
    guard let value = value(key) else { return fallback }
    guard let text = value as? String else {
      throw .wrongType(key: key, expected: "a string", got: type(of: value))
    }
    return text
  }

  func integers(_ key: String) throws(ConfigurationError) -> [Int] {
    guard let value = value(key) else { return [] }
    if let one = value as? Int { return [one] }
    if let many = value as? [Int] { return many }
    throw .wrongType(key: key, expected: "a token id or a list of them", got: type(of: value))
  }

  /// Base and scaling: top-level `rope_theta` and `rope_scaling`, or both in `rope_parameters`.
  func rotary() throws(ConfigurationError) -> (Double, RotaryScaling) {
    let nested = (value("rope_scaling") ?? value("rope_parameters")) as? [String: Any] ?? [:]
    let inner = JSONReader(object: nested)
    let base = try number("rope_theta", default: try inner.number("rope_theta", default: 10000))
    guard (1e-3...1e30).contains(base) else {
      throw .outOfRange(
        key: "rope_theta", value: "\(base)", reason: "it must lie from 0.001 to 1e30")
    }
    let kind = (nested["rope_type"] ?? nested["type"]) as? String ?? "default"
    switch kind {
    case "default": return (base, .none)
    case "linear": return (base, .linear(factor: try inner.factor("factor")))
    case "llama3":
      return (
        base,
        .llama3(
          factor: try inner.factor("factor"),
          lowFrequencyFactor: try inner.factor("low_freq_factor"),
          highFrequencyFactor: try inner.factor("high_freq_factor"),
          originalContext: try inner.positive("original_max_position_embeddings"))
      )
    default:
      throw .unsupported(
        key: "rope_scaling.rope_type", value: kind, supported: "default, linear, llama3")
    }
  }

  private init(object: [String: Any]) { self.object = object }
}
