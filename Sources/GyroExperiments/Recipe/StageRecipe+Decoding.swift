extension StageRecipe {
  init(_ reader: RecipeReader, hasScheme: Bool) throws(RecipeError) {
    let (kind, value) = try reader.choice(["evaluate", "train", "round", "export"])
    switch kind {
    case "evaluate": self = .evaluate(try EvaluateStage(value, default: "evaluate", rounds: false))
    case "train": self = .train(try TrainStage(value, hasScheme: hasScheme))
    case "round":
      guard hasScheme else {
        throw .conflict(value.place, reason: "rounding needs a scheme")
      }
      self = .round(try EvaluateStage(value, default: "rounded", rounds: true))
    default: self = .export(try ExportStage(value))
    }
  }
}

extension EvaluateStage {
  init(_ reader: RecipeReader, default name: String, rounds: Bool) throws(RecipeError) {
    // `- evaluate:` alone stands for the defaults.
    let keys = ["label", "limit", "length"] + (rounds ? [] : ["quantized"])
    let map = try reader.isNull ? nil : reader.mapping(keys)
    label = try map?["label"]?.string() ?? name
    quantized = rounds ? true : try map?["quantized"]?.flag()
    limit = try map?["limit"]?.integer(1...Int.max)
    length = try map?["length"]?.integer(1...1_048_576)
  }
}

extension TrainStage {
  init(_ reader: RecipeReader, hasScheme: Bool) throws(RecipeError) {
    let map = try reader.mapping([
      "label", "steps", "rate", "schedule", "warmup", "floor", "batch", "length", "loss",
      "quantized", "optimizer", "momentum", "weight-decay", "clip", "accumulate", "average",
      "recompute", "checkpoint-every",
    ])
    label = try map["label"]?.string() ?? "train"
    steps = try map.required("steps").integer(1...1_000_000_000)
    rate = try map.required("rate").number(0...1000)
    schedule = try map.name("schedule", "schedule", default: .cosine)
    warmup = try map.integer("warmup", 0...1_000_000_000, default: 0)
    floor = try map.number("floor", 0...1, default: 0)
    batch = try map.integer("batch", 1...65536, default: 8)
    length = try map.integer("length", 1...1_048_576, default: 128)
    loss = try map.name("loss", "loss", default: .crossEntropy)
    quantized = try map.flag("quantized", default: hasScheme)
    optimizer = try map.name("optimizer", "optimizer", default: .adamw)
    momentum = try map.number("momentum", 0...0.9999, default: 0.9)
    weightDecay = try map.number("weight-decay", 0...100, default: 0)
    clip = try map.number("clip", 0...1e9, default: 1)
    accumulate = try map.integer("accumulate", 1...65536, default: 1)
    average = try map.number("average", 0...0.999999, default: 0)
    recompute = try map.flag("recompute", default: false)
    checkpointEvery = try map.integer("checkpoint-every", 0...1_000_000_000, default: 0)
    if quantized, !hasScheme {
      throw .conflict(map.place, reason: "the stage is quantized, but there is no scheme")
    }
  }
}

extension ExportStage {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.isNull ? nil : reader.mapping(["format", "numbers", "path"])
    format = try map?.name("format", "export format", default: .huggingface) ?? .huggingface
    numbers = try map?.name("numbers", "number type", default: .float32) ?? .float32
    path = try map?["path"]?.string() ?? "model"
  }
}
