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

/// Whether a text is well-formed XML that shows on light and on dark ground.
private func isPicture(_ text: String) -> Bool {
  let opened = text.components(separatedBy: "<text").count
  let closed = text.components(separatedBy: "</text>").count
  return text.hasPrefix("<svg ") && text.hasSuffix("</svg>\n") && opened == closed
    && text.contains("prefers-color-scheme:dark") && !text.contains("nan") && !text.contains("inf")
}

private func writeTinyClassifier(to folder: URL) throws {
  let configuration = ImageModelConfiguration(.lenet, image: [1, 28, 28], classes: 10)
  try ImageModel(configuration, seed: 3).write(to: folder)
}

@Suite struct StudyTests {
  /// The figures of OCP Microscaling formats on normal, Laplace and t5 values; each was simulated
  /// on 60,000 blocks, so a tenth of a decibel is what two simulations may differ by.
  @Test func blockFormatsKeepWhatTheyShould() throws {
    let expected: [String: [Double]] = [
      "mxint8": [41.7, 40.0, 40.0], "mxfp8-e4m3": [30.6, 30.0, 30.0],
      "mxfp8-e5m2": [25.4, 25.2, 25.2], "mxfp6-e2m3": [30.9, 30.3, 30.3],
      "mxfp6-e3m2": [25.4, 25.2, 25.2], "mxfp4": [18.8, 17.9, 18.0],
      "int4/32": [20.3, 18.3, 18.3], "nvfp4": [20.4, 20.7, 20.7], "int8/32": [45.4, 43.4, 43.4],
    ]
    let study = try FormatStudy()
    #expect(study.blocks.map(\.name) == ["gaussian", "laplace", "t5"])
    for (place, row) in study.blocks.enumerated() {
      #expect(row.cells.count == expected.count)
      for cell in row.cells {
        let figure = try #require(expected[cell.format])[place]
        #expect(abs(cell.decibels - figure) < 0.1, "\(cell.format) on \(row.name)")
      }
    }
    #expect(study.eightBit.map(\.best) == ["int8", "e2m5", "e2m5", "e2m5", "e3m4"])
    #expect(
      study.crossings.map(\.heavyTailed) == ["e4m3", "e3m4", "e3m4"] && study.tensors == nil)
    #expect(study.conversions.map(\.from) == ["e2m5", "e3m4", "e4m3"])
    #expect(
      try keys(study) == ["blocks", "conversions", "crossings", "eight_bit", "fewer_bits"])
    #expect(isPicture(study.picture))
  }

  @Test func theWeightsOfACheckpointAreRanked() throws {
    try withTemporaryFolder { folder in
      try writeTinyClassifier(to: folder)
      let study = try FormatStudy(checkpoint: folder, blocks: 10)
      let tensors = try #require(study.tensors)
      #expect(
        tensors.map(\.name) == ["conv1", "conv2", "fc1", "fc2", "fc3"].map { $0 + ".weight" })
      // Initial values are uniform: whole numbers represent them best.
      for row in tensors.suffix(3) {
        #expect(row.best == "int8" && abs(row.kurtosis! - 1.8) < 0.1)
      }
      #expect(
        try keys(tensors[0].cells[0])
          == ["clip", "decibels", "format", "mean_squared_error"])
      #expect(isPicture(study.picture))
    }
  }

  @Test func downOrUpRuinsALayerAndSomeRandomChoicesBeatTheNearest() throws {
    let study = try RoundingStudy()
    let scope = study.scopes[0]
    #expect(study.figure == "output_decibels" && study.float == nil && study.scopes.count == 1)
    #expect(scope.nearest > scope.floor + 6 && scope.nearest > scope.ceiling + 6)
    #expect(scope.stochastic.mean < scope.nearest && scope.stochastic.deviation > 0.5)
    #expect((1..<50).contains(scope.stochastic.betterThanNearest))
    #expect(scope.stochastic.best > scope.nearest)
    #expect(scope.stochastic.figures.count == 100 && isPicture(study.picture))
    #expect(try RoundingStudy().scopes[0].stochastic.figures == scope.stochastic.figures)
    var other = RoundingStudy.Options()
    other.seed = 1
    #expect(try RoundingStudy(other).scopes[0].stochastic.figures != scope.stochastic.figures)
  }

  @Test func roundingATrainedClassifier() throws {
    var options = RoundingStudy.Options()
    options.draws = 3
    options.size = 100
    let study = try RoundingStudy(
      checkpoint: packageRoot.appending(path: "Checkpoints/digits"), options)
    #expect(study.figure == "accuracy" && study.float! > 0.9 && study.isHigherBetter)
    #expect(study.scopes.map(\.name) == ["conv1.weight", "all layers"])
    let all = study.scopes[1]
    #expect(all.nearest > 0.85 && all.floor < 0.3 && all.ceiling < 0.3)
    #expect(all.stochastic.mean > 0.6)
    #expect(
      try keys(all) == ["ceiling", "floor", "layers", "name", "nearest", "stochastic"])
  }

  @Test func roundingALanguageModelIsMeasuredInPerplexity() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      var options = RoundingStudy.Options()
      options.draws = 2
      options.size = 128
      options.granularity = .channel
      let study = try RoundingStudy(checkpoint: folder, options)
      #expect(study.figure == "perplexity" && !study.isHigherBetter)
      let first = study.scopes[0].stochastic
      #expect(first.best == first.figures.min()! && first.worst == first.figures.max()!)
      #expect(isPicture(study.picture))
      options.granularity = .group(7)
      #expect(throws: QuantizationError.self) {
        try RoundingStudy(checkpoint: folder, options)
      }
    }
  }

  @Test func rangesAreComparedTensorByTensor() throws {
    try withTemporaryFolder { folder in
      try writeTinyClassifier(to: folder)
      var options = CalibratorStudy.Options()
      options.size = 4
      let study = try CalibratorStudy(checkpoint: folder, options)
      #expect(study.rows.count { $0.kind == "weight" } == 5)
      #expect(study.rows.count { $0.kind == "activation" } == 5)
      #expect(study.formats == ["int8", "int4"] && study.methods.contains("min-max"))
      for row in study.rows {
        for format in study.formats {
          // The search for the least squared error includes the data's own range.
          #expect(row.decibels(format, "mse")! >= row.decibels(format, "min-max")! - 0.01)
        }
      }
      let summary = try #require(study.summaries.first { $0.method == "mse" })
      #expect(summary.tensors == 5)
      #expect(
        try keys(study)
          == ["checkpoint", "formats", "granularity", "methods", "rows", "summaries"])
      #expect(isPicture(study.picture))
      options.size = 0
      let weights = try CalibratorStudy(checkpoint: folder, options)
      #expect(weights.rows.allSatisfy { $0.kind == "weight" })
    }
  }

  @Test func theOutlierTwinStandsOutAndIsCalledOne() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      var options = OutlierStudy.Options()
      options.size = 256
      let study = try OutlierStudy(checkpoint: folder, options)
      #expect(study.subject == "outlier twin of \(study.checkpoint)" && study.strength == 20)
      #expect(study.largestLogitDifference < 1e-4 && study.tokens == 256)
      #expect(study.rows.count == 13)
      let down = study.rows.filter { $0.site.hasSuffix("down_proj.input") }
      #expect(down.count == 2 && down.allSatisfy { $0.peakAfter > 10 && $0.peakBefore < 10 })
      #expect(down.allSatisfy { $0.kurtosisAfter > $0.kurtosisBefore })
      #expect(isPicture(study.picture))
      #expect(
        try keys(study)
          == ["checkpoint", "largest_logit_difference", "rows", "strength", "subject", "tokens"])
      #expect(
        try keys(study.rows[0])
          == ["kurtosis_after", "kurtosis_before", "peak_after", "peak_before", "site"])
      options.strength = 40
      let stronger = try OutlierStudy(checkpoint: folder, options)
      #expect(stronger.rows.last!.peakAfter >= study.rows.last!.peakAfter)
    }
    try withTemporaryFolder { folder in
      try writeTinyClassifier(to: folder)
      #expect(throws: ExperimentError.self) { try OutlierStudy(checkpoint: folder) }
    }
  }

  @Test func rotationsSpreadOverSeeds() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      var options = RotationStudy.Options()
      options.size = 128
      options.seeds = 3
      options.steps = 4
      options.strength = 20
      let study = try RotationStudy(checkpoint: folder, options)
      #expect(
        study.methods.map(\.name)
          == [
            "not rotated", "random orthogonal", "random Hadamard", "learned",
            "learned, with scaling pairs",
          ])
      #expect(study.methods.map(\.divergences.count) == [1, 3, 3, 3, 3])
      #expect(study.subject.hasPrefix("outlier twin of"))
      for method in study.methods {
        #expect(method.divergences.allSatisfy { $0 > 0 && $0.isFinite })
        #expect(Set(method.divergences).count == method.divergences.count)
      }
      #expect(study.methods[3].divergences != study.methods[2].divergences)
      // Pairs take the twin's outliers back, which no rotation of R1 and R2 reaches.
      #expect(study.methods[4].mean < study.methods[3].mean)
      #expect(isPicture(study.picture))
      #expect(try keys(study) == ["checkpoint", "methods", "scheme", "subject"])
      #expect(try keys(study.methods[1]) == ["divergences", "mean", "name", "range"])
      options.scheme.rotations = nil
      #expect(throws: ExperimentError.self) { try RotationStudy(checkpoint: folder, options) }
    }
  }

  @Test func whatCannotBeStudiedSaysWhy() throws {
    try withTemporaryFolder { folder in
      let configuration = ImageModelConfiguration(.lenet, image: [1, 12, 12], classes: 10)
      try ImageModel(configuration, seed: 3).write(to: folder)
      let error = #expect(throws: ExperimentError.self) {
        try RoundingStudy(checkpoint: folder)
      }
      #expect(
        error?.description.hasSuffix(
          "it takes images [1, 12, 12] of 10 classes; digits drawn here are [1, 28, 28] of 10")
          == true)
    }
  }
}
