import Foundation
import Gyro
import Testing

@Suite("The custom loop of the README")
struct CustomLoopTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  // README: custom loop
  func fineTune(_ folder: URL, on book: URL, writingTo output: URL) throws {
    var language = try LanguageModel(contentsOf: folder)
    let plan = try QuantizationPlan(.int8, for: language.parameters)
    var optimizer = try Optimizer(AdamW(), for: language.parameters)
    let text = try TokenStream(files: [book], tokenizer: language.tokenizer!)
    for (step, batch) in try text.batches(size: 8, length: 128, seed: 7).prefix(20).enumerated() {
      let result = try differentiate(
        language.parameters, mode: .training(step: step), instrumentation: plan
      ) { pass in language.model.nextTokenLoss(batch, pass) }
      try optimizer.step(&language.parameters, result.gradients, rate: 5e-5, clippingNorm: 1)
    }
    language.parameters = try plan.frozen(language.parameters)
    language.scheme = plan.scheme
    try language.write(to: output)  // int8 codes and their scales
  }
  // README: end

  @Test("runs, and what it writes is on the int8 grid and reads back as the same model")
  func runs() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("gyro-custom-loop-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "again"]
    var random = RandomStream(seed: 2)
    let text = (0..<6000).map { _ in words[random.integer(below: 10)] }.joined(separator: " ")
    let book = folder.appendingPathComponent("book.txt")
    try text.write(to: book, atomically: true, encoding: .utf8)
    let tokenizer = try ByteLevelBPETrainer(vocabularySize: 280).train(on: [text])
    let (model, parameters) = Llama.initialized(
      LlamaConfiguration(
        vocabulary: tokenizer.vocabularySize, hidden: 32, feedForward: 48, layers: 2, heads: 2,
        context: 128), seed: 1)
    let source = folder.appendingPathComponent("float")
    try LanguageModel(model: model, parameters: parameters, tokenizer: tokenizer).write(to: source)

    let output = folder.appendingPathComponent("int8")
    try fineTune(source, on: book, writingTo: output)

    let shipped = try LanguageModel(contentsOf: output)
    #expect(shipped.scheme == .int8)
    for path in shipped.parameters.paths {
      let isMatrix = shipped.parameters.parameter(at: path)?.kind == .linear
      #expect((shipped.parameters[path].wholeGrid != nil) == isMatrix)
    }
    // Written again it is the same file, byte for byte: reading loses nothing.
    let again = folder.appendingPathComponent("again")
    try shipped.write(to: again)
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
      #expect(
        try Data(contentsOf: output.appendingPathComponent(name))
          == Data(contentsOf: again.appendingPathComponent(name)), "\(name)")
    }
  }

  @Test("stands in the README word for word")
  func readme() throws {
    func loop(_ file: URL, _ begin: String, _ end: String) throws -> [String] {
      let text = try String(contentsOf: file, encoding: .utf8)
      let start = try #require(text.range(of: begin)).upperBound
      let stop = try #require(text.range(of: end, range: start..<text.endIndex)).lowerBound
      return text[start..<stop].split(separator: "\n").map {
        $0.trimmingCharacters(in: .whitespaces)
      }.filter { !$0.isEmpty }
    }
    let here = try loop(
      URL(fileURLWithPath: #filePath), "// README: custom loop\n", "// README: end")
    let there = try loop(
      Self.repository.appendingPathComponent("README.md"),
      "```swift\nimport Foundation\nimport Gyro\n", "```")
    #expect(here == there)
  }
}
