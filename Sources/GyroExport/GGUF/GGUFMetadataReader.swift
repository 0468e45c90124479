import Foundation
import GyroAutodiff
import GyroModels

/// Reads the shape of a model from the metadata that llama.cpp reads it from.
struct GGUFMetadataReader {
  private let file: GGUFFile
  private let architecture: String

  init(_ file: GGUFFile) throws {
    self.file = file
    guard let name = file.metadata["general.architecture"]?.text else {
      throw file.malformed("metadata", "general.architecture", "no such string")
    }
    architecture = name
  }

  func configuration() throws -> LlamaConfiguration {
    let families: [String: LlamaConfiguration.Family] = [
      "llama": .llama, "qwen2": .qwen2, "qwen3": .qwen3,
    ]
    guard let family = families[architecture] else {
      throw file.unsupported(
        "the architecture '\(architecture)'",
        supported: families.keys.sorted().joined(separator: ", "))
    }
    guard let table = file.entry("token_embd.weight"), table.extents.count == 2 else {
      throw file.malformed("the tensor list", "a matrix 'token_embd.weight'", "none")
    }
    let hidden = try extent("embedding_length")
    let heads = try extent("attention.head_count")
    let size = try extent("attention.key_length", default: max(hidden / heads, 1))
    var configuration = LlamaConfiguration(
      vocabulary: table.extents[0], hidden: hidden,
      feedForward: try extent("feed_forward_length"), layers: try extent("block_count"),
      heads: heads, keyValueHeads: try extent("attention.head_count_kv", default: heads),
      headSize: size, context: try extent("context_length"))
    configuration.family = family
    try require(heads % configuration.keyValueHeads == 0, "attention.head_count_kv", "a divisor")
    try require(size.isMultiple(of: 2), "attention.key_length", "an even number")
    try require(
      try extent("attention.value_length", default: size) == size
        && (try extent("rope.dimension_count", default: size)) == size,
      "attention.value_length and rope.dimension_count", "\(size), as the keys have")
    try require(value("expert_count")?.integer ?? 0 == 0, "expert_count", "no experts")
    let epsilon = try number("attention.layer_norm_rms_epsilon", default: nil)
    try require(
      (0...1e30).contains(epsilon), "attention.layer_norm_rms_epsilon", "a number from 0 to 1e30")
    configuration.normEpsilon = Float(epsilon)
    configuration.rotaryBase = try number("rope.freq_base", default: 10000)
    try require(
      (1e-3...1e30).contains(configuration.rotaryBase), "rope.freq_base",
      "a number from 0.001 to 1e30")
    configuration.tiedEmbeddings = file.entry("output.weight") == nil
    configuration.queryKeyValueBias = file.entry("blk.0.attn_q.bias") != nil
    configuration.outputBias = file.entry("blk.0.attn_output.bias") != nil
    configuration.feedForwardBias = file.entry("blk.0.ffn_up.bias") != nil
    configuration.queryKeyNorm = family == .qwen3
    configuration.rotaryScaling = try scaling(configuration)
    configuration.beginningOfText = file.metadata["tokenizer.ggml.bos_token_id"]?.integer
    configuration.endOfText = ["eos", "eot", "eom"].compactMap {
      file.metadata["tokenizer.ggml.\($0)_token_id"]?.integer
    }
    if let window = value("attention.sliding_window")?.integer, window < configuration.context {
      configuration.warnings.append(
        "the model was trained with an attention window of \(window) tokens; it is not applied, so "
          + "results differ for texts longer than that")
    }
    return configuration
  }

  private func value(_ key: String) -> GGUFValue? { file.metadata["\(architecture).\(key)"] }

  private func require(_ isSo: Bool, _ key: String, _ expected: String) throws {
    guard isSo else {
      throw file.unsupported("another value of \(architecture).\(key)", supported: expected)
    }
  }

  /// A positive extent. Some files give one per layer; all must be equal.
  private func extent(_ key: String, default fallback: Int? = nil) throws -> Int {
    guard let value = value(key) else {
      if let fallback { return fallback }
      throw file.malformed("metadata", "\(architecture).\(key)", "no such key")
    }
    var found = value.integer
    if let each = value.integers, let first = each.first {
      try require(each.allSatisfy { $0 == first }, key, "one number for all layers")
      found = first
    }
    guard let found, (1..<1 << 31).contains(found) else {
      throw file.malformed(
        "\(architecture).\(key)", "a positive whole number", found.map { "\($0)" } ?? "another type"
      )
    }
    return found
  }

  private func number(_ key: String, default fallback: Double?) throws -> Double {
    guard let value = value(key) else {
      if let fallback { return fallback }
      throw file.malformed("metadata", "\(architecture).\(key)", "no such key")
    }
    guard let number = value.float, number.isFinite else {
      throw file.malformed("\(architecture).\(key)", "a finite number", "something else")
    }
    return number
  }

  private func scaling(_ configuration: LlamaConfiguration) throws -> RotaryScaling {
    let kind = value("rope.scaling.type")?.text ?? "none"
    let supported = "none, linear, and the divisors of Llama 3.1"
    if file.entry("rope_freqs.weight") != nil {
      let divisors = try GGUFTensorReader(file, GGUFNames(configuration: configuration))
        .plain("rope_freqs.weight", [configuration.headSize / 2]).elements
      guard let scaling = GGUFConfiguration.llama3Scaling(divisors, configuration) else {
        throw file.unsupported("these divisors of rotary frequencies", supported: supported)
      }
      return scaling
    }
    switch kind {
    case "none": return .none
    case "linear":
      let factor = try number("rope.scaling.factor", default: 1)
      try require(
        (1e-6...1e9).contains(factor), "rope.scaling.factor", "a number from 1e-6 to 1e9")
      return factor == 1 ? .none : .linear(factor: factor)
    default: throw file.unsupported("rope scaling '\(kind)'", supported: supported)
    }
  }
}
