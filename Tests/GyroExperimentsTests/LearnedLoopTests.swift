import Foundation
import Gyro
import Testing

@Suite("The guide's loop with learned steps and static ranges")
struct LearnedLoopTests {
  // Guide: learned loop
  func fineTune(_ folder: URL, on book: URL, writingTo output: URL) throws {
    var language = try LanguageModel(contentsOf: folder)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .channel, estimator: "lsq"),
      activations: QuantizationRule(
        format: "int8", granularity: .tensor, range: .movingAverage(), estimator: "clipped"))
    let plan = try QuantizationPlan(scheme, for: language.parameters)
    let text = try TokenStream(files: [book], tokenizer: language.tokenizer!)
    let batches = try text.batches(size: 8, length: 128, seed: 7)
    var calibration = try Calibration(for: plan)
    for batch in batches.prefix(16) {
      let pass = ForwardPass(
        language.parameters, mode: .calibration, instrumentation: calibration.probe)
      _ = language.model.nextTokenLoss(batch, pass)
      try calibration.absorb(pass.statistics)
    }
    try plan.prepare(&language.parameters, with: calibration)  // scales, beside the weights
    var optimizer = try Optimizer(AdamW(), for: language.parameters)  // no decay of scales
    for (step, batch) in batches.prefix(200).enumerated() {
      let result = try differentiate(
        language.parameters, mode: .training(step: step), seed: 7, instrumentation: plan
      ) { pass in language.model.nextTokenLoss(batch, pass) }
      plan.absorb(result.statistics, into: &language.parameters)  // ranges follow the activations
      try optimizer.step(&language.parameters, result.gradients, rate: 1e-4, clippingNorm: 1)
      plan.constrain(&language.parameters)  // a learned scale stays positive
    }
    language.parameters = try plan.frozen(language.parameters)
    language.scheme = plan.scheme
    try language.write(to: output)  // codes, scales, and the scales of activations
  }
  // Guide: end

  @Test("runs, and what it writes computes what was trained")
  func runs() throws {
    let (folder, book, source) = try LoopFixture.make()
    defer { try? FileManager.default.removeItem(at: folder) }
    let output = folder.appendingPathComponent("int4")
    try fineTune(source, on: book, writingTo: output)
    let shipped = try LanguageModel(contentsOf: output)
    let scheme = try #require(shipped.scheme)
    #expect(scheme.weights?.estimator == "lsq")
    #expect(shipped.parameters.contains("model.layers.0.mlp.input_scale"))
    #expect(shipped.parameters.contains("model.layers.0.mlp.input_range"))
    #expect(shipped.warnings.isEmpty, "\(shipped.warnings)")
    let plan = try QuantizationPlan(scheme, for: shipped.parameters)
    for path in shipped.parameters.paths where plan.quantizer(at: path) != nil {
      #expect(shipped.parameters[path].wholeGrid != nil, "\(path)")
    }
  }

  @Test("stands in the guide word for word")
  func guide() throws {
    let here = try LoopFixture.lines(
      of: URL(fileURLWithPath: #filePath), from: "// Guide: learned loop\n", to: "// Guide: end")
    let there = try LoopFixture.lines(
      of: packageRoot.appendingPathComponent(
        "Documentation/Gyro.docc/QuantizationAwareTraining.md"),
      from: "activations with static ranges:\n\n```swift\n", to: "```")
    #expect(here == there)
  }
}
