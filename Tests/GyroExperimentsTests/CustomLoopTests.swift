import Foundation
import Gyro
import Testing

@Suite("The custom loop of the README")
struct CustomLoopTests {
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
    let (folder, book, source) = try LoopFixture.make()
    defer { try? FileManager.default.removeItem(at: folder) }
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
    let here = try LoopFixture.lines(
      of: URL(fileURLWithPath: #filePath), from: "// README: custom loop\n", to: "// README: end")
    let there = try LoopFixture.lines(
      of: packageRoot.appendingPathComponent("README.md"),
      from: "```swift\nimport Foundation\nimport Gyro\n", to: "```")
    #expect(here == there)
  }
}
