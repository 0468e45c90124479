import Foundation
import GyroCheckpoints
import GyroModels
import GyroTensors
import Testing

/// A real small Llama, kept beside the repository rather than in it.
private let stories = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("shared/models/stories260K")

@Suite(
  "stories260K against transformers",
  .enabled(if: FileManager.default.fileExists(atPath: stories.path)))
struct StoriesTests {
  @Test("logits lie within 1e-4 of the reference")
  func logits() throws {
    let checkpoint = try LanguageModel(contentsOf: stories)
    let reference = try SafetensorsFile(
      contentsOf: stories.appendingPathComponent("eval/reference_logits.safetensors"))
    let ids = try reference.integers("token_ids").map(Int32.init)
    let logits = checkpoint.model(
      TokenWindow(ids, batch: 1, length: ids.count), ForwardPass(checkpoint.parameters)
    ).value
    for (got, want) in zip(logits.elements, try reference.tensor("logits").elements) {
      #expect(abs(got - want) <= 1e-4)
    }
  }

  @Test("perplexity on its evaluation tokens is the published 3.35618")
  func perplexity() throws {
    let checkpoint = try LanguageModel(contentsOf: stories)
    let file = stories.appendingPathComponent("eval/eval_tokens.json")
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    let rows = try #require(
      (object as? [[Int]]) ?? (object as? [String: Any])?["token_ids"] as? [[Int]]
        ?? (object as? [String: Any])?["sequences"] as? [[Int]])
    var sum = 0.0, count = 0
    for row in rows {
      let ids = row.map(Int32.init)
      let window = TokenWindow(Array(ids.dropLast()), batch: 1, length: ids.count - 1)
      let logits = checkpoint.model(window, ForwardPass(checkpoint.parameters)).value
      let part = logits.reshaped([-1, checkpoint.configuration.vocabulary])
        .negativeLogLikelihood(targets: Array(ids.dropFirst()))
      sum += part.sum
      count += part.rows
    }
    #expect(abs(exp(sum / Double(count)) - 3.35618) < 1e-4)
  }

  @Test("greedy text is the text the model's authors print")
  func greedyText() throws {
    let checkpoint = try LanguageModel(contentsOf: stories)
    let tokenizer = try #require(checkpoint.tokenizer)
    let ids = checkpoint.model.generate(after: [1], count: 60, checkpoint.parameters)
    let text = tokenizer.decode([1] + ids, skipSpecialTokens: true)
    let expected =
      "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
      + "park. One day, she saw a big, red ball."
    #expect(text.hasPrefix(expected), "\(text)")
  }
}

@Suite("Generation")
struct GenerationTests {
  private func tiny() -> (model: Llama, parameters: ParameterStore) {
    Llama.initialized(
      LlamaConfiguration(
        vocabulary: 50, hidden: 16, feedForward: 24, layers: 2, heads: 2, context: 32), seed: 3)
  }

  @Test("sampled text does not depend on how many texts are sampled together")
  func batchIndependence() throws {
    let (model, parameters) = tiny()
    let four = try model.sampleText(batch: 4, length: 12, seed: 5, parameters)
    let two = try model.sampleText(batch: 2, length: 12, seed: 5, parameters)
    #expect(Array(four.prefix(2)) == two)
    #expect(Set(four).count == 4)
    #expect(try model.sampleText(batch: 4, length: 12, seed: 6, parameters) != four)
  }

  @Test("greedy generation takes the likeliest token of the whole text, and stops when told")
  func greedy() {
    let (model, parameters) = tiny()
    let generated = model.generate(after: [1, 2], count: 6, parameters)
    var text: [Int32] = [1, 2]
    for token in generated {
      let logits = model(
        TokenWindow(text, batch: 1, length: text.count), ForwardPass(parameters)
      ).value
      let last = logits.sliced(axis: 1, text.count - 1..<text.count).elements
      #expect(Int(token) == last.indices.max { last[$0] < last[$1] })
      text.append(token)
    }
    #expect(model.generate(after: [1, 2], count: 6, parameters, stop: [generated[0]]).count == 1)
    #expect(model.generate(after: [1, 2], count: 100, parameters).count == 31)
  }
}
