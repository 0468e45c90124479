import Foundation
import Gyro
import Testing

/// The keys of what a command prints under `--json`.
private func keys(_ value: some Encodable) throws -> [String] {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  let object = try JSONSerialization.jsonObject(with: encoder.encode(value)) as? [String: Any]
  return try #require(object).keys.sorted()
}

@Suite struct CommandReportTests {
  @Test func anInspectionListsTensorsAndOutliers() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      let report = try CheckpointInspection(contentsOf: folder)
      #expect(report.architecture == "LlamaForCausalLM")
      let head = try #require(report.tensors.first { $0.name == "lm_head.weight" })
      #expect(head.type == "F32" && head.shape == [61, 16] && head.notFinite == 0)
      #expect(head.minimum! < 0 && head.maximum! > 0 && head.outlierRatio! > 1)
      #expect(
        try keys(report)
          == ["architecture", "bytes", "elements", "metadata", "path", "tensors"])
      #expect(
        try keys(head)
          == [
            "absolute_mean", "maximum", "minimum", "name", "not_finite", "outlier_ratio", "shape",
            "type",
          ])
      let file = try CheckpointInspection(
        contentsOf: folder.appending(path: "model.safetensors"))
      #expect(file.tensors.count == report.tensors.count)
    }
  }

  @Test func anEvaluationReportsFiguresByName() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      var options = CheckpointEvaluation.Options()
      options.length = 16
      let float = try CheckpointEvaluation(folder, on: .sampled(tokens: 200, seed: 1), options)
      #expect(float.figures.keys.sorted() == ["loss", "perplexity", "tokens"])
      #expect(!float.quantized)
      options.quantized = true
      let rounded = try CheckpointEvaluation(folder, on: .sampled(tokens: 200, seed: 1), options)
      #expect(rounded.quantized && rounded.figures["loss"] != float.figures["loss"])
      #expect(
        try keys(rounded)
          == [
            "checkpoint", "figures", "parameters", "precision", "quantized", "scheme", "warnings",
          ])
    }
  }

  @Test func anExportEvaluatesToTheNumberOfItsRun() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder.appending(path: "model"))
      let recipe = tinyRecipe.replacing(
        "data:\n", with: "data:\n  calibrate: { generated: { tokens: 200, seed: 9 } }\n")
      let experiment = try Recipe(yaml: recipe).resolve(relativeTo: folder)
      let run = folder.appending(path: "run")
      let results = try experiment.run(output: run)
      var options = CheckpointEvaluation.Options()
      options.length = 16
      var notes: [String] = []
      let report = try CheckpointEvaluation(
        run.appending(path: "model"), on: .recipe(experiment), options,
        progress: { if case .note(let text) = $0 { notes.append(text) } })
      #expect(notes == ["sampling 300 tokens of text for data.evaluate"])
      #expect(report.quantized)
      #expect(report.figures["loss"] == results.stages[3].figures["loss"])
    }
  }

  @Test func theTableOfResultsLinesUp() throws {
    var results = try JSONDecoder().decode(
      ExperimentResults.self,
      from: Data(
        #"{"name":"n","description":"","precision":"float32","parameters":1,"stages":[]}"#.utf8))
    results.stages = [
      .init(
        kind: "evaluate", label: "float", quantized: false,
        figures: ["loss": 3.25, "perplexity": 25.79], seconds: 1),
      .init(
        kind: "round", label: "INT8 rounded", quantized: true,
        figures: ["loss": 3.5, "perplexity": 33.115, "loss_above_float": 0.25], seconds: 1),
    ]
    #expect(
      results.table == """
                                    loss  perplexity  loss_above_float
        float         float      3.25000      25.790
        INT8 rounded  quantized  3.50000      33.115          +0.25000
        """)
  }

  @Test func theTrainingBenchmarkMeasuresEveryArithmetic() throws {
    let workload = TrainingBenchmark.Workload(
      name: "tiny",
      configuration: LlamaConfiguration(
        vocabulary: 64, hidden: 32, feedForward: 64, layers: 1, heads: 2, context: 16),
      batch: 2, length: 16)
    let benchmark = TrainingBenchmark(workload, steps: 2, warmup: 1)
    for arithmetic in TrainingBenchmark.Arithmetic.allCases {
      let figure = try benchmark.run(arithmetic)
      #expect(figure.tokensPerSecond > 0 && figure.peakResidentBytes > 0)
      #expect(figure.lastLoss.isFinite && figure.lastLoss < figure.firstLoss)
    }
  }
}
