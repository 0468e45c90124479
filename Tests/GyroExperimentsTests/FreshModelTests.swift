import Foundation
import Gyro
import Testing

@Suite struct FreshModelTests {
  @Test func aLanguageModelIsTrainedFromTextFiles() throws {
    try withTemporaryFolder { folder in
      let sentence = "It was a bright cold day in April, and the clocks were striking thirteen. "
      let text = String(repeating: sentence, count: 60)
      try text.write(to: folder.appending(path: "a.txt"), atomically: true, encoding: .utf8)
      let recipe = try Recipe(
        yaml: """
          name: fresh
          model:
            { architecture: llama, hidden: 16, layers: 1, heads: 2, feed-forward: 32, context: 16,
              tied: true, tokenizer: { train: "*.txt", vocabulary: 300 } }
          data: { train: "*.txt", evaluate: a.txt }
          stages:
            - train: { steps: 30, rate: 2e-2, batch: 4, length: 16 }
            - evaluate: { label: end, limit: 8 }
            - export: { numbers: bfloat16 }
          """)
      let run = folder.appending(path: "run")
      let results = try recipe.resolve(relativeTo: folder).run(output: run)
      let loss = try #require(results.stages[1].figures["loss"])
      #expect(loss < 5.0, "ln 300 = 5.7 is where it began")
      let language = try LanguageModel(contentsOf: run.appending(path: "model"))
      #expect(language.tokenizer?.vocabularySize == language.configuration.vocabulary)
      let generator = try TextGenerator(run.appending(path: "model"))
      let words = try generator.generate("It was", tokens: 5, .greedy) { _ in }
      #expect(words.tokens.count == 5 && !words.text.isEmpty)
    }
  }

  @Test(arguments: ["lenet", "resnet", "mobilenet", "mlp"])
  func aClassifierIsTrainedAndQuantizedOnDrawnDigits(architecture: String) throws {
    try withTemporaryFolder { folder in
      let extra = architecture == "resnet" ? ", width: 4, blocks: 1" : ""
      let recipe = try Recipe(
        yaml: """
          name: digits
          model: { architecture: \(architecture)\(extra) }
          data:
            train: { digits: { count: 40, seed: 1 } }
            evaluate: { digits: { count: 30, seed: 2 } }
          scheme:
            weights: { format: int8 }
            activations: { format: int8, granularity: tensor }
          stages:
            - train: { label: float training, steps: 3, rate: 1e-3, batch: 8, quantized: false }
            - evaluate: { label: float }
            - round: {}
            - train: { label: tuning, steps: 2, rate: 1e-4, batch: 8, loss: distillation }
            - evaluate: { label: tuned }
            - export:
          """)
      let run = folder.appending(path: "run")
      let results = try recipe.resolve(relativeTo: folder).run(output: run)
      let labels = results.measurements.map(\.label)
      #expect(labels == ["float", "rounded", "tuned", "tuned, read back"])
      #expect(results.stages[5].figures["loss"] == results.stages[4].figures["loss"])
      #expect(results.stages[1].figures["accuracy"].map { (0...1).contains($0) } == true)
      // Two training stages keep their files apart.
      for stage in ["stage-1", "stage-4"] {
        let file = run.appending(path: "\(stage)/metrics.jsonl")
        #expect(FileManager.default.fileExists(atPath: file.path))
      }
    }
  }
}
