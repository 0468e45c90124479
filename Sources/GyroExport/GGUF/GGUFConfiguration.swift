import Foundation
import GyroAutodiff
import GyroModels

/// The shape of a model as metadata.
enum GGUFConfiguration {
  /// The keys llama.cpp needs, and those that say the same more plainly.
  static func values(_ names: GGUFNames) -> [(String, GGUFValue)] {
    let configuration = names.configuration
    let prefix = names.architecture + "."
    var values: [(String, GGUFValue)] = [
      ("vocab_size", .uint32(configuration.vocabulary)),
      ("context_length", .uint32(configuration.context)),
      ("embedding_length", .uint32(configuration.hidden)),
      ("block_count", .uint32(configuration.layers)),
      ("feed_forward_length", .uint32(configuration.feedForward)),
      ("attention.head_count", .uint32(configuration.heads)),
      ("attention.head_count_kv", .uint32(configuration.keyValueHeads)),
      ("attention.key_length", .uint32(configuration.headSize)),
      ("attention.value_length", .uint32(configuration.headSize)),
      ("attention.layer_norm_rms_epsilon", .float32(configuration.normEpsilon)),
      ("rope.dimension_count", .uint32(configuration.headSize)),
      ("rope.freq_base", .float32(Float(configuration.rotaryBase))),
    ]
    if case .linear(let factor) = configuration.rotaryScaling {
      values.append(("rope.scaling.type", .text("linear")))
      values.append(("rope.scaling.factor", .float32(Float(factor))))
    }
    return values.map { (prefix + $0.0, $0.1) }
  }

  /// What each rotary frequency is divided by under Llama 3.1's rule; nil under another.
  static func rotaryFactors(_ configuration: LlamaConfiguration) -> [Float]? {
    guard case .llama3 = configuration.rotaryScaling else { return nil }
    return factors(configuration.rotaryScaling, configuration)
  }

  private static func factors(
    _ scaling: RotaryScaling, _ configuration: LlamaConfiguration
  ) -> [Float] {
    (0..<configuration.headSize / 2).map { place in
      let frequency = pow(
        configuration.rotaryBase, -2 * Double(place) / Double(configuration.headSize))
      return Float(frequency / scaling.scaled(frequency))
    }
  }

  // MARK: Reading

  /// The shape a file describes, compared with its tensors, so that a model of that shape takes no
  /// more memory than the tensors call for.
  static func read(_ file: GGUFFile) throws -> LlamaConfiguration {
    let configuration: LlamaConfiguration
    if let json = file.metadata[GGUFKeys.configuration]?.text {
      configuration = try LlamaConfiguration(json: Data(json.utf8))
    } else {
      configuration = try GGUFMetadataReader(file).configuration()
    }
    try check(configuration, file)
    return configuration
  }

  private static func check(_ configuration: LlamaConfiguration, _ file: GGUFFile) throws {
    // Rotary tables are the only memory a model takes that no tensor accounts for.
    let (table, overflow) = configuration.context.multipliedReportingOverflow(
      by: configuration.headSize)
    guard !overflow, table <= 1 << 28 else {
      throw file.malformed(
        "context_length", "at most \((1 << 28) / configuration.headSize) tokens",
        "\(configuration.context)")
    }
    let width = configuration.heads.multipliedReportingOverflow(by: configuration.headSize)
    guard !width.overflow, width.partialValue <= 1 << 32 else {
      throw file.malformed("attention.head_count", "heads that fit a model", "\(width)")
    }
    try expect(
      "token_embd.weight", [configuration.vocabulary, configuration.hidden], file)
    for layer in 0..<configuration.layers {
      let prefix = "blk.\(layer)."
      try expect(prefix + "attn_q.weight", [width.partialValue, configuration.hidden], file)
      let keys = configuration.keyValueHeads * configuration.headSize
      try expect(prefix + "attn_k.weight", [keys, configuration.hidden], file)
      try expect(
        prefix + "ffn_up.weight", [configuration.feedForward, configuration.hidden], file)
    }
  }

  /// Makes sure that a tensor is there with these extents.
  static func expect(_ name: String, _ extents: [Int], _ file: GGUFFile) throws {
    guard let entry = file.entry(name) else {
      throw file.malformed("the tensor list", "a tensor '\(name)'", "none")
    }
    guard entry.extents == extents else {
      throw file.malformed("tensor '\(name)'", "extents \(extents)", "\(entry.extents)")
    }
  }

  /// The rule of Llama 3.1 that leads to these divisors; nil when its usual constants do not.
  static func llama3Scaling(
    _ divisors: [Float], _ configuration: LlamaConfiguration
  ) -> RotaryScaling? {
    guard let factor = divisors.max(), divisors.allSatisfy({ $0.isFinite && $0 >= 1 }) else {
      return nil
    }
    for original in [8192, 4096, 2048, 16384, 32768] {
      let scaling = RotaryScaling.llama3(
        factor: Double(factor), lowFrequencyFactor: 1, highFrequencyFactor: 4,
        originalContext: original)
      let expected = factors(scaling, configuration)
      let isSame = zip(expected, divisors).allSatisfy { abs($0 - $1) <= 1e-5 * $1 }
      if isSame, expected.count == divisors.count { return scaling }
    }
    return nil
  }
}
