import GyroCheckpoints
import GyroExport
import GyroQuantization
import GyroTraining

extension StageRecipe {
  init(_ reader: RecipeReader, hasScheme: Bool) throws(RecipeError) {
    let (kind, value) = try reader.choice([
      "outliers", "calibrate", "compare", "evaluate", "rotate", "ladder", "gptq", "train",
      "round", "export",
    ])
    switch kind {
    case "calibrate":
      guard hasScheme else {
        throw .conflict(value.place, reason: "calibrating needs a scheme")
      }
      self = .calibrate(try CalibrateStage(value))
    case "outliers": self = .outliers(try OutliersStage(value))
    case "rotate": self = .rotate(try RotateStage(value, default: "rotated"))
    case "ladder": self = .ladder(try LadderStage(value))
    case "gptq":
      guard hasScheme else { throw .conflict(value.place, reason: "GPTQ needs a scheme") }
      self = .gptq(try GPTQStage(value))
    case "compare": self = .compare(try CompareStage(value))
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

extension CalibrateStage {
  init(_ reader: RecipeReader) throws(RecipeError) {
    if reader.isNull { return }
    let map = try reader.mapping(["label", "batches", "batch", "length"])
    label = try map["label"]?.string() ?? label
    batches = try map.integer("batches", 1...1_000_000, default: batches)
    batch = try map.integer("batch", 1...65536, default: batch)
    length = try map["length"]?.integer(1...1_048_576)
  }
}

extension CompareStage {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping(["label", "schemes", "limit", "length"])
    label = try map["label"]?.string() ?? "compare"
    let members = try map.required("schemes").members()
    guard !members.isEmpty else {
      throw .outOfRange(reader.place, expected: "at least one scheme", got: "none")
    }
    schemes = []
    for (name, value) in members {
      schemes.append(Candidate(name: name, scheme: try QuantizationScheme(value)))
    }
    limit = try map["limit"]?.integer(1...Int.max)
    length = try map["length"]?.integer(1...1_048_576)
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
      "recompute", "checkpoint-every", "scale-rate", "temperature",
      "distillation", "milestones", "health", "dampening", "freezing",
      "reestimate-batch-norm",
    ])
    label = try map["label"]?.string() ?? "train"
    steps = try map.required("steps").integer(1...1_000_000_000)
    rate = try map.required("rate").number(0...1000)
    schedule = try map.name("schedule", "schedule", default: .cosine)
    warmup = try map.integer("warmup", 0...1_000_000_000, default: 0)
    floor = try map.number("floor", 0...1, default: 0)
    batch = try map.integer("batch", 1...65536, default: 8)
    length = try map["length"]?.integer(1...1_048_576)
    loss = try map.name("loss", "loss", default: .crossEntropy)
    quantized = try map.flag("quantized", default: hasScheme)
    temperature = try map.number("temperature", 0.01...100, default: 1)
    distillationShare = try map.number(
      "distillation", 0...1, default: loss == .crossEntropy ? 0 : 1)
    health = try map.integer("health", 0...1_000_000_000, default: quantized ? 50 : 0)
    dampening = try map.number("dampening", 0...1000, default: 0)
    freezing = try map.number("freezing", 0...1, default: 0)
    milestones = nil
    if let reader = map["milestones"] {
      milestones = try MilestoneSchedule(reader, steps: steps)
      guard quantized else {
        throw .conflict(reader.place, reason: "milestones need a quantized stage")
      }
    }
    optimizer = try map.name("optimizer", "optimizer", default: .adamw)
    momentum = try map.number("momentum", 0...0.9999, default: 0.9)
    weightDecay = try map.number("weight-decay", 0...100, default: 0)
    scaleRate = try map.number("scale-rate", 0...1e6, default: 1)
    clip = try map.number("clip", 0...1e9, default: 1)
    accumulate = try map.integer("accumulate", 1...65536, default: 1)
    average = try map.number("average", 0...0.999999, default: 0)
    reestimateBatchNorm = try map.integer("reestimate-batch-norm", 0...1_000_000, default: 0)
    recompute = try map.flag("recompute", default: false)
    checkpointEvery = try map.integer("checkpoint-every", 0...1_000_000_000, default: 0)
    if quantized, !hasScheme {
      throw .conflict(map.place, reason: "the stage is quantized, but there is no scheme")
    }
  }
}

extension ExportStage {
  private static let types: [String: ScalarType] = [
    "float32": .float32, "bfloat16": .bfloat16, "float16": .float16,
  ]

  /// What recipes call `numbers`.
  var numbersName: String? {
    numbers.flatMap { type in Self.types.first { $0.value == type }?.key }
  }

  init(_ reader: RecipeReader) throws(RecipeError) {
    let keys = ["format", "numbers", "storage", "allow-lossy", "path"]
    let map = try reader.isNull ? nil : reader.mapping(keys)
    let names = [Self.checkpoint] + Exporters.all.map(\.name)
    format = try map?["format"]?.name("export format", among: names) ?? Self.checkpoint
    let exporter = Exporters.all.first { [format] in $0.name == format }
    let number = try map?["numbers"]?.name("number type", among: Self.types.keys.sorted())
    numbers = number.flatMap { Self.types[$0] }
    storage = try map?["storage"]?.name(
      "storage type of \(format)", among: exporter?.storages ?? [])
    allowsLoss = try map?.flag("allow-lossy", default: false) ?? false
    // The ending that the format's runtimes expect.
    path =
      try map?["path"]?.string()
      ?? exporter.map { $0.writesFolder ? $0.name : "model.\($0.name)" } ?? "model"
  }
}
