import Foundation
import GyroCheckpoints
import GyroModels
import GyroTensors
import Testing

@Suite("Llama family against float64 PyTorch (Goldens/generate_llama.py)")
struct LlamaGoldenTests {
  private struct Golden {
    let checkpoint: LanguageModel
    let expected: SafetensorsFile
    let tokens: TokenWindow
    let targets: [Int32]

    init(_ name: String) throws {
      let folder = goldenFolder.appendingPathComponent(name)
      checkpoint = try LanguageModel(contentsOf: folder)
      expected = try SafetensorsFile(
        contentsOf: folder.appendingPathComponent("expected.safetensors"))
      let shape = try expected.entry("token_ids").shape
      tokens = TokenWindow(
        try expected.integers("token_ids").map(Int32.init), batch: shape[0], length: shape[1])
      targets = try expected.integers("targets").map(Int32.init)
    }
  }

  @Test("logits", arguments: ["llama", "qwen2", "qwen3"])
  func logits(_ name: String) throws {
    let golden = try Golden(name)
    let logits = golden.checkpoint.model(
      golden.tokens, ForwardPass(golden.checkpoint.parameters)
    ).value
    let expected = try golden.expected.tensor("logits")
    for (got, want) in zip(logits.elements, expected.elements) {
      #expect(abs(got - want) <= 1e-5 * (1 + abs(want)))
    }
  }

  @Test(
    "loss and every gradient, also with recomputed activations and split products",
    arguments: ["llama", "qwen2", "qwen3"],
    [
      (false, MatmulPrecision.float32), (true, .float32), (false, .tiledFloat32),
      (false, .splitBFloat16),
    ])
  func gradients(_ name: String, _ options: (recompute: Bool, precision: MatmulPrecision)) throws {
    let golden = try Golden(name)
    let result = try differentiate(
      golden.checkpoint.parameters, mode: .training(step: 0), precision: options.precision,
      recomputesActivations: options.recompute
    ) { golden.checkpoint.model.nextTokenLoss(golden.tokens, targets: golden.targets, $0) }
    let loss = try golden.expected.tensor("loss").item
    #expect(abs(result.loss - loss) <= 1e-5 * loss)
    for path in golden.checkpoint.parameters.parameterPaths {
      let gradient = try #require(result.gradients[path], "\(path) has no gradient")
      let error = relativeError(gradient, try golden.expected.tensor("gradient.\(path)"))
      #expect(error <= 1e-4, "\(path): relative error \(error)")
    }
  }

  @Test(
    "a cache of keys and values gives the logits of the whole text", arguments: ["llama", "qwen3"])
  func cache(_ name: String) throws {
    let golden = try Golden(name)
    let (model, parameters) = (golden.checkpoint.model, golden.checkpoint.parameters)
    let (batch, length) = (golden.tokens.batch, golden.tokens.length)
    let whole = model(golden.tokens, ForwardPass(parameters)).value
    var cache = GenerationCache(model.configuration, batch: batch, capacity: length)
    func columns(_ range: Range<Int>) -> TokenWindow {
      TokenWindow(
        (0..<batch).flatMap { row in range.map { golden.tokens.ids[row * length + $0] } },
        batch: batch, length: range.count)
    }
    for range in [0..<4, 4..<5, 5..<length] {
      let part = try model(columns(range), ForwardPass(parameters), continuing: &cache).value
      let expected = whole.sliced(axis: 1, range).elements
      for (got, want) in zip(part.elements, expected) { #expect(abs(got - want) < 1e-4) }
    }
  }
}
