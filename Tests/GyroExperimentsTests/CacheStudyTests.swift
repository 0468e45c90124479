import Foundation
import Gyro
import Testing

private let novelist = packageRoot.appending(path: "Checkpoints/novelist")

/// The keys of what a command prints under `--json`.
private func keys(_ value: some Encodable) throws -> [String] {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  let object = try JSONSerialization.jsonObject(with: encoder.encode(value)) as? [String: Any]
  return try #require(object).keys.sorted()
}

@Suite struct CacheStudyTests {
  @Test func generationThroughAFloatCacheIsPlainGeneration() throws {
    let plain = try TextGenerator(novelist).generate("It was a dark night", tokens: 40, .greedy) {
      _ in
    }
    let float = try TextGenerator(novelist, cache: CacheSpecification("float32"))
      .generate("It was a dark night", tokens: 40, .greedy) { _ in }
    #expect(float.tokens == plain.tokens && float.text == plain.text)
    #expect(plain.cache == nil)
    let cost = try #require(float.cache)
    #expect(cost.bitsPerElement == 32 && cost.bytes == 2 * cost.float16Bytes && cost.layers == 5)
    #expect(
      try keys(cost)
        == [
          "bits_per_element", "bytes", "cache", "float16_bytes", "layers", "shared_bytes", "tokens",
        ])
    let few = try TextGenerator(novelist, cache: CacheSpecification("rotated-int4"))
      .generate("It was", tokens: 5, .greedy) { _ in }
    #expect(few.tokens.count == 5)
  }

  @Test func evaluationThroughAFloatCacheIsPlainEvaluation() throws {
    var options = CheckpointEvaluation.Options()
    options.length = 96
    let data = CheckpointEvaluation.Data.sampled(tokens: 300, seed: 1)
    let plain = try CheckpointEvaluation(novelist, on: data, options)
    options.cache = try CacheSpecification("float32")
    let float = try CheckpointEvaluation(novelist, on: data, options)
    let loss = try #require(plain.figures["loss"])
    #expect(abs(float.figures["loss"]! - loss) < 1e-5 * loss)
    options.cache = try CacheSpecification("int8")
    let eight = try CheckpointEvaluation(novelist, on: data, options)
    #expect(abs(eight.figures["perplexity"]! / plain.figures["perplexity"]! - 1) < 0.01)
    #expect(eight.figures["loss"] != float.figures["loss"])
    #expect(eight.cache?.tokens == 96 && eight.cache?.bitsPerElement == 8.5)
    #expect(plain.cache == nil)
  }

  @Test func cachesThatDoNotFitAreRefused() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      // Heads of 8 elements.
      #expect(throws: CacheError.headSize(8, multipleOf: 16, scheme: "polar")) {
        var options = CheckpointEvaluation.Options()
        options.length = 16
        options.cache = try CacheSpecification("polar")
        _ = try CheckpointEvaluation(folder, on: .sampled(tokens: 40, seed: 1), options)
      }
      let images = folder.appending(path: "images")
      try ImageModel(ImageModelConfiguration(.lenet, image: [1, 28, 28], classes: 10), seed: 3)
        .write(to: images)
      var options = CheckpointEvaluation.Options()
      options.cache = try CacheSpecification("int4")
      let error = #expect(throws: ExperimentError.self) {
        try CheckpointEvaluation(images, on: .text([]), options)
      }
      #expect("\(error!)".hasSuffix("no keys and values; leave --cache out"))
    }
  }

  @Test func theStudyMeasuresEveryCacheAndSaysWhichDoNotFit() throws {
    try withTemporaryFolder { folder in
      try writeTinyModel(to: folder)
      var options = CacheStudy.Options()
      options.caches = try ["int8", "int2", "turbo:bits=2", "polar"].map {
        try CacheSpecification($0)
      }
      options.windows = 2
      options.needle = 4
      options.trials = 2
      let study = try CacheStudy(checkpoint: folder, options)
      #expect(study.context == 32 && study.windows == 2)
      #expect(study.float.scoreError == 0 && study.float.outputError == 0)
      #expect(study.float.lossAboveFloat == nil && study.float.copied.map(\.tokens) == [8, 16, 32])
      let (eight, two) = (study.rows[0], study.rows[1])
      #expect(study.float.found.map(\.share) == [1, 1, 1])
      #expect(zip(two.found, eight.found).allSatisfy { $0.share <= $1.share && $1.share > 0.8 })
      #expect(eight.outputError! > 0 && eight.outputError! < two.outputError!)
      #expect(eight.scoreError! < 0.02 && two.scoreError! > 0.02)
      #expect(abs(eight.lossAboveFloat!) < abs(two.lossAboveFloat!) + 0.01)
      #expect(study.rows[3].cost == nil && study.rows[3].problem!.contains("multiple of 16"))
      #expect(study.table.contains("turbo:bits=2") && study.table.contains("copy 32"))
      #expect(study.picture.hasPrefix("<svg ") && !study.picture.contains("polar"))
      #expect(
        try keys(study)
          == [
            "checkpoint", "context", "float", "needle", "rows", "text", "trials", "windows",
          ])
      let copied = study.float.copied[2]
      #expect(try keys(copied) == ["accuracy", "accuracy_before", "nats_gained", "tokens"])
      options.drawsNeedles = true
      options.caches = []
      let drawn = try CacheStudy(checkpoint: folder, options).float.copied[2]
      #expect(drawn.natsGained != copied.natsGained && drawn.natsGained.isFinite)
      options.needle = 5
      #expect(throws: ExperimentError.self) { try CacheStudy(checkpoint: folder, options) }
    }
  }

  @Test func theUsualCachesExist() {
    #expect(CacheStudy.usual.count == 19)
  }
}
