import Foundation
import GyroCheckpoints
import GyroModels
import GyroTensors
import TestSupport
import Testing

/// Folders as transformers writes them: v5 keys, shards, 16-bit types, tied and untied, biases.
@Suite("Folders saved by transformers 5.23 (Goldens/generate_transformers.py)")
struct TransformersGoldenTests {
  private static let folder = goldenFolder.appendingPathComponent("transformers")

  static let names = [
    "llama-biased", "llama2", "llama3", "llama3-tied", "mistral", "qwen2", "qwen3", "qwen3-tied",
    "smollm2", "tinyllama",
  ]

  private func load(_ name: String) throws -> (LanguageModel, TokenWindow, expected: Tensor) {
    let folder = Self.folder.appendingPathComponent(name)
    let golden = try SafetensorsFile(
      contentsOf: folder.appendingPathComponent("expected.safetensors"))
    let shape = try golden.entry("token_ids").shape
    let tokens = TokenWindow(
      try golden.integers("token_ids").map(Int32.init), batch: shape[0], length: shape[1])
    return (try LanguageModel(contentsOf: folder), tokens, try golden.tensor("logits"))
  }

  private func logits(_ model: LanguageModel, _ tokens: TokenWindow) -> Tensor {
    model.model(tokens, ForwardPass(model.parameters)).value
  }

  @Test("logits lie within 1e-4 of its own", arguments: names)
  func logits(_ name: String) throws {
    let (model, tokens, expected) = try load(name)
    #expect(model.warnings == [])
    expectClose(logits(model, tokens), expected, relative: 0, absolute: 1e-4, name)
  }

  @Test("written by us and read again: the same configuration and bits", arguments: names)
  func rewriting(_ name: String) throws {
    let (model, tokens, _) = try load(name)
    let type = ScalarType.narrowest(holding: model.parameters.paths.map { model.parameters[$0] })
    let folder = try TemporaryFolder()
    try model.write(to: folder.url, as: type)
    let read = try LanguageModel(contentsOf: folder.url)
    #expect(read.configuration == model.configuration)
    expectSameBits(logits(read, tokens), logits(model, tokens), name)
    #expect(type == (name == "llama3-tied" || name == "llama-biased" ? .float32 : type))
  }

  @Test(
    "a pass that lets decoded weights go computes the same bits, and the weights stay as stored",
    arguments: names)
  func releasing(_ name: String) throws {
    let (model, tokens, _) = try load(name)
    let stored = model.parameters.undecodedBytes
    #expect(
      (stored > 0)
        == (ScalarType.narrowest(
          holding: model.parameters.paths.map { model.parameters[$0] }) != .float32))
    let released = model.model(
      tokens, ForwardPass(model.parameters, keepsDecodedWeights: false)
    ).value
    #expect(model.parameters.undecodedBytes == stored)
    let apart = model.parameters.decodingApart()
    expectSameBits(model.model(tokens, ForwardPass(apart)).value, released, name)
    #expect(model.parameters.undecodedBytes == stored && apart.undecodedBytes == 0)
    expectSameBits(logits(model, tokens), released, name)
    #expect(model.parameters.undecodedBytes == 0)
  }

  @Test("every golden is tested")
  func complete() throws {
    let found = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(found.sorted() == Self.names)
  }
}
