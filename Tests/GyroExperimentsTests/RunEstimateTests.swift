import Foundation
import Gyro
import Testing

@Suite("What a run will take, before it begins")
struct RunEstimateTests {
  private static let image = """
    name: digits
    model: { architecture: mlp, image: [1, 28, 28], hidden: [8], classes: 10 }
    data:
      train: { digits: { count: 64, seed: 1 } }
      evaluate: { digits: { count: 32, seed: 2 } }
    stages:
      - train: { steps: 3, rate: 1e-3, batch: 8, quantized: false }
      - evaluate: { label: float }
    """

  @Test("a stage each, all of them counted, and nothing written")
  func language() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder.appending(path: "model"))
      let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
      let estimate = try Recipe(yaml: tinyRecipe).resolve(relativeTo: folder).estimate()
      #expect(
        estimate.stages.map(\.kind)
          == ["sample", "evaluate", "round", "train", "evaluate", "export"])
      #expect(estimate.stages.map(\.work)[0] == "900 tokens")
      #expect(estimate.stages.map(\.work)[3] == "7 steps of 48 tokens")
      #expect(estimate.stages.allSatisfy { $0.seconds >= 0 && $0.seconds.isFinite })
      #expect(abs(estimate.stages.reduce(0) { $0 + $1.seconds } - estimate.seconds) < 1e-9)
      #expect(estimate.memory.reduce(0) { $0 + $1.bytes } == estimate.peakBytes)
      // Two checkpoints of weights, two moments and an average, and what is exported.
      let train = try #require(estimate.stages.first { $0.kind == "train" })
      #expect(train.diskBytes == 2 * 4 * 4 * estimate.parameters)
      #expect(estimate.stages.last?.diskBytes ?? 0 > 0)
      let after = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
      #expect(after == before)
    }
  }

  @Test("a model in one file is counted as the folder it was exported from")
  func oneFile() throws {
    try withTemporaryFolder { folder in
      let model = folder.appending(path: "model")
      try writeTinyModel(to: model)
      let expected = try Recipe(yaml: tinyRecipe).resolve(relativeTo: folder).estimate()
      let file = folder.appending(path: "model.gguf")
      _ = try GGUFExporter().write(ShippedModel(contentsOf: model), to: file, ExportOptions())
      let recipe = tinyRecipe.replacing("model: model", with: "model: model.gguf")
      let estimate = try Recipe(yaml: recipe).resolve(relativeTo: folder).estimate()
      #expect(estimate.parameters == expected.parameters)
      #expect(estimate.stages.map(\.work) == expected.stages.map(\.work))
      #expect(estimate.layers.rows.map(\.path) == expected.layers.rows.map(\.path))
    }
  }

  @Test("images are counted one by one")
  func images() throws {
    try withTemporaryFolder { folder in
      let estimate = try Recipe(yaml: Self.image).resolve(relativeTo: folder).estimate()
      #expect(estimate.stages.map(\.work) == ["3 steps of 8 images", "32 images"])
      #expect(estimate.scheme == nil)
      #expect(estimate.layers.rows.allSatisfy { !$0.isQuantized })
    }
  }

  @Test("bits per weight are those of the file: codes, scales and zero points")
  func layers() throws {
    try withTemporaryFolder { folder in
      var configuration = LlamaConfiguration(
        vocabulary: 32, hidden: 32, feedForward: 64, layers: 2, heads: 2, context: 16)
      configuration.tiedEmbeddings = true
      let (model, parameters) = Llama.initialized(configuration, seed: 1)
      let scheme = QuantizationScheme(
        weights: QuantizationRule(
          format: "int4", granularity: .group(32), scale: .float16, isSymmetric: false))
      let plan = try QuantizationPlan(scheme, for: parameters)
      let frozen = try plan.frozen(parameters)
      try LanguageModel(model: model, parameters: frozen, scheme: scheme).write(to: folder)
      let report = try CheckpointInspection(contentsOf: folder)
      let table = try #require(report.layers)
      let row = try #require(
        table.rows.first { $0.path == "model.layers.{0…1}.mlp.up_proj.weight" })
      // 4 bits, and 16 + 8 of scale and zero point for 32 of them.
      #expect(row.bitsPerWeight == 4.75 && row.count == 2 && row.shape == [64, 32])
      #expect(row.packedBytes == 2 * 64 * (16 + 3) && row.floatBytes == 2 * 64 * 32 * 4)
      #expect(table.packedBytes == report.bytes)
    }
  }
}
