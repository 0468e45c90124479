import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import GyroText
import TestSupport
import Testing

@Suite("A language model's folder")
struct LanguageModelTests {
  private func tiny() -> LanguageModel {
    var configuration = LlamaConfiguration(
      vocabulary: 300, hidden: 16, feedForward: 24, layers: 1, heads: 2, keyValueHeads: 1,
      context: 32)
    configuration.rotaryScaling = .llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 16)
    let (model, parameters) = Llama.initialized(configuration, seed: 4)
    return LanguageModel(model: model, parameters: parameters)
  }

  /// Changes `config.json` as text.
  private func edit(_ folder: URL, _ old: String, _ new: String) throws {
    let file = folder.appendingPathComponent("config.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    try #require(text.contains(old), "\(text)")
    try text.replacingOccurrences(of: old, with: new)
      .write(to: file, atomically: true, encoding: .utf8)
  }

  private func message(_ folder: URL) -> String {
    do {
      _ = try LanguageModel(contentsOf: folder)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("float weights read back bit for bit, and so does the configuration")
  func floatRoundTrip() throws {
    let folder = try TemporaryFolder()
    let original = tiny()
    try original.write(to: folder.url)
    let read = try LanguageModel(contentsOf: folder.url)
    #expect(read.configuration == original.configuration)
    #expect(read.scheme == nil && read.warnings.isEmpty && read.tokenizer == nil)
    for path in original.parameters.paths {
      #expect(read.parameters[path].elements == original.parameters[path].elements)
    }
  }

  @Test("codes and scales read back as they were written, with their scheme")
  func quantizedRoundTrip() throws {
    let folder = try TemporaryFolder()
    var original = tiny()
    let plan = try QuantizationPlan(.int8, for: original.parameters)
    original.parameters = try plan.frozen(original.parameters)
    original.scheme = plan.scheme
    try original.write(to: folder.url)
    let read = try LanguageModel(contentsOf: folder.url)
    #expect(read.scheme == plan.scheme)
    for path in original.parameters.paths {
      let (a, b) = (original.parameters[path].wholeGrid, read.parameters[path].wholeGrid)
      #expect(a?.codeArray == b?.codeArray && a?.scaleArray == b?.scaleArray)
      #expect(read.parameters[path].elements == original.parameters[path].elements)
    }
    let file = try SafetensorsFile(
      contentsOf: folder.url.appendingPathComponent("model.safetensors"))
    #expect(try file.entry("lm_head.weight").type == .int8)
    #expect(try file.entry("lm_head.weight_scale").shape == [300, 1])
    #expect(file.metadata["gyro_scheme"] == plan.scheme.fingerprint)
  }

  @Test("a scheme that was changed after training is refused, with both fingerprints")
  func changedScheme() throws {
    let folder = try TemporaryFolder()
    var original = tiny()
    original.scheme = .int8
    try original.write(to: folder.url)
    try edit(folder.url, "\"token\"", "\"tensor\"")
    var changed = QuantizationScheme.int8
    changed.activations?.granularity = .tensor
    #expect(
      message(folder.url)
        == "the checkpoint was made under scheme \(QuantizationScheme.int8.fingerprint), the run "
        + "uses \(changed.fingerprint); train and export under one scheme")
  }

  @Test("a tensor of another shape is named with both shapes")
  func wrongShape() throws {
    let folder = try TemporaryFolder()
    try tiny().write(to: folder.url)
    try edit(folder.url, "\"vocab_size\" : 300", "\"vocab_size\" : 301")
    #expect(
      message(folder.url).hasSuffix(
        "model.safetensors, tensor 'model.embed_tokens.weight': config.json leads to shape "
          + "[301, 16], the file has [300, 16]. They belong to different models, or config.json "
          + "was edited."))
  }

  @Test("an unknown architecture is answered with the known ones")
  func unknownArchitecture() throws {
    let folder = try TemporaryFolder()
    try tiny().write(to: folder.url)
    try edit(folder.url, "LlamaForCausalLM", "GPT2LMHeadModel")
    #expect(
      message(folder.url)
        == "unknown architecture 'GPT2LMHeadModel'; supported are LlamaForCausalLM, "
        + "MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM")
  }

  @Test("a missing tensor is named, with the nearest there is")
  func missingTensor() throws {
    let folder = try TemporaryFolder()
    try tiny().write(to: folder.url)
    try edit(folder.url, "\"num_hidden_layers\" : 1", "\"num_hidden_layers\" : 2")
    #expect(message(folder.url).contains("expected a tensor 'model.layers.1."))
  }

  @Test("a tokenizer with more tokens than the embedding has rows is refused, with both numbers")
  func vocabularyTooSmall() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "the quick brown fox jumps over the lazy dog ", count: 50)
    let tokenizer = try ByteLevelBPETrainer(vocabularySize: 270).train(on: [text])
    var configuration = tiny().configuration
    configuration.vocabulary = tokenizer.vocabularySize - 1
    let (model, parameters) = Llama.initialized(configuration, seed: 4)
    try LanguageModel(model: model, parameters: parameters, tokenizer: tokenizer)
      .write(to: folder.url)
    #expect(
      message(folder.url)
        == "\(folder.url.path): the tokenizer has \(tokenizer.vocabularySize) tokens, the model's "
        + "embedding only \(tokenizer.vocabularySize - 1) rows. They belong to different models; "
        + "take tokenizer.json from the model's own folder.")
  }

  @Test("an attention window shorter than the context is a warning, not a silence")
  func slidingWindow() throws {
    let folder = try TemporaryFolder()
    try tiny().write(to: folder.url)
    try edit(folder.url, "LlamaForCausalLM", "MistralForCausalLM")
    try edit(folder.url, "\"vocab_size\" : 300", "\"vocab_size\" : 300, \"sliding_window\" : 8")
    let read = try LanguageModel(contentsOf: folder.url)
    #expect(
      read.warnings == [
        "the model was trained with an attention window of 8 tokens; it is not applied, so results "
          + "differ for texts longer than that (the context allows 32)"
      ])
  }

  @Test(
    "configuration values of the wrong kind name their key",
    arguments: [
      ("\"hidden_size\" : 16", "\"hidden_size\" : \"16\"", "'hidden_size' should be a number"),
      ("\"hidden_size\" : 16", "\"hidden_size\" : -16", "'hidden_size' is -16.0, but"),
      ("\"hidden_size\" : 16", "\"hidden_size\" : 1e30", "it must be a positive whole number"),
      ("\"vocab_size\"", "\"vocabulary\"", "has no key 'vocab_size'"),
      ("\"silu\"", "\"gelu\"", "'hidden_act' is 'gelu', which is not supported; supported: silu"),
      ("\"llama3\"", "\"yarn\"", "'rope_scaling.rope_type' is 'yarn', which is not supported"),
      ("\"num_key_value_heads\" : 1", "\"num_key_value_heads\" : 3", "it must divide"),
      ("{\n", "[\n", "config.json is not a JSON object"),
    ])
  func badConfigurations(_ old: String, _ new: String, _ words: String) throws {
    let folder = try TemporaryFolder()
    try tiny().write(to: folder.url)
    try edit(folder.url, old, new)
    #expect(message(folder.url).contains(words), "\(message(folder.url))")
  }
}
