import Foundation
import Gyro
import TestSupport
import Testing

private let recipe = rotationRecipe(
  """
    - rotate: { length: 12 }
    - round: { label: nearest, length: 16 }
    - gptq: { windows: 8, length: 16 }
    - evaluate: { label: compensated, length: 16 }
    - export: { path: compensated }
    - train: { steps: 3, rate: 1e-3, batch: 2, length: 12, checkpoint-every: 1 }
    - evaluate: { label: tuned, length: 16 }
    - export: {}
  """)

@Suite("GPTQ and training after a rotation, under one scheme")
struct RotatedGPTQTests {
  @Test func `weights land on the scheme's grid, ship, and train on`() throws {
    try withTemporaryFolder { folder in
      let run = folder.appending(path: "run")
      let results = try rotationExperiment(folder, recipe).run(output: run)
      let loss = results.stages.map { $0.figures["loss"] }
      #expect(loss[2] != loss[4] && loss[4] == loss[5] && loss[7] == loss[8])
      #expect(loss[4] != loss[7])
      #expect(results.stages[3].figures["weights"] == 15)
      #expect(results.stages[3].figures["mean_gain"]! > 0.2)

      let shipped = try LanguageModel(contentsOf: run.appending(path: "compensated"))
      let scheme = try #require(shipped.scheme)
      let plan = try QuantizationPlan(scheme, for: shipped.parameters)
      let weights = shipped.parameters.paths.filter {
        shipped.parameters.parameter(at: $0)?.kind == .linear && plan.quantizer(at: $0) != nil
      }
      #expect(weights.count == 15)
      let frozen = try plan.frozen(shipped.parameters)
      for path in weights {
        let weight = shipped.parameters[path]
        let grid = try #require(weight.wholeGrid, "\(path)")
        #expect(grid.codeArray.allSatisfy { (-8...7).contains($0) }, "\(path)")
        #expect(frozen[path].encoded != nil)
        expectSame(frozen[path].elements, weight.elements, path.name)
      }
    }
  }

  @Test func `training after GPTQ survives a power cut, bit for bit`() throws {
    try withTemporaryFolder { folder in
      let (whole, broken) = (folder.appending(path: "whole"), folder.appending(path: "broken"))
      let expected = try rotationExperiment(folder, recipe).run(output: whole)
      #expect(throws: Stopper.PowerCut.self) {
        try rotationExperiment(folder, recipe).run(
          output: broken, reporter: { _, _ in Stopper(after: 2) })
      }
      let resumed = try rotationExperiment(folder, recipe).run(output: broken, existing: .resume)
      #expect(resumed.withoutTimes == expected.withoutTimes)
      for name in ["compensated/model.safetensors", "model/model.safetensors"] {
        let (one, other) = (whole.appending(path: name), broken.appending(path: name))
        #expect(try Data(contentsOf: one) == Data(contentsOf: other), "\(name)")
      }
    }
  }
}
