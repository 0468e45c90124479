import GyroRotation

extension RotateStage {
  init(_ reader: RecipeReader, default name: String) throws(RecipeError) {
    let map = try reader.mapping([
      "label", "from", "start", "seed", "candidates", "candidate-batches", "local", "local-steps",
      "local-rate", "scalings", "quantize-weights", "block-wise", "optimizer", "scaling-rate",
      "steps", "rate", "schedule", "warmup", "floor", "batch", "length", "loss", "temperature",
      "momentum", "clip", "accumulate", "checkpoint-every", "stop-above",
    ])
    label = try map["label"]?.string() ?? name
    from = try map["from"]?.string()
    if let reader = map["from"], map["start"] != nil || map["candidates"] != nil {
      throw .conflict(
        reader.place, reason: "rotations begin with a file, or with 'start' and 'candidates'")
    }
    start = try map.name("start", "start", default: .hadamard)
    seed = try map.integer("seed", 0...Int(Int32.max), default: 0)
    candidates = try map.integer("candidates", 1...10_000, default: 1)
    candidateBatches = try map.integer("candidate-batches", 1...1_000_000, default: 4)
    local = try map["local"].map { reader throws(RecipeError) in
      let choices = LocalObjective.allCases.map(\.rawValue)
      return LocalObjective(rawValue: try reader.name("local objective", among: choices))!
    }
    localSteps = try map.integer("local-steps", 0...1_000_000, default: 60)
    localRate = try map.number("local-rate", 0...1000, default: 0.02)
    scalings = []
    if let reader = map["scalings"] {
      for element in try reader.list() {
        let choices = ScalingPair.allCases.map(\.rawValue)
        let name = try element.name("scaling pair", among: choices)
        scalings.insert(ScalingPair(rawValue: name)!)
      }
    }
    quantizesWeights = try map.flag("quantize-weights", default: false)
    isBlockwise = try map.flag("block-wise", default: false)
    if isBlockwise, let reader = map["loss"] ?? map["temperature"] {
      throw .conflict(
        reader.place,
        reason:
          "with 'block-wise', blocks learn to give what float blocks give: logits, which 'loss' "
          + "and 'temperature' are about, are not computed")
    }
    optimizer = try map.name("optimizer", "optimizer", default: .cayleyAdam)
    stopAbove = try map.number("stop-above", 0...1e9, default: 3)
    scalingRate = try map.number("scaling-rate", 0...1000, default: 0.01)
    let isPublished = optimizer == .published
    learning = TrainStage(
      label: label, steps: try map.integer("steps", 0...1_000_000_000, default: 0),
      rate: try map.number("rate", 0...1000, default: isPublished ? 1.5 : 0.01))
    learning.schedule = try map.name("schedule", "schedule", default: .cosine)
    learning.warmup = try map.integer("warmup", 0...1_000_000_000, default: 0)
    learning.floor = try map.number("floor", 0...1, default: 0)
    learning.batch = try map.integer("batch", 1...65536, default: 8)
    learning.length = try map["length"]?.integer(1...1_048_576)
    learning.loss = try map.name(
      "loss", "loss", default: isPublished ? .crossEntropy : .distillation)
    learning.distillationShare = learning.loss == .crossEntropy ? 0 : 1
    learning.temperature = try map.number("temperature", 0.01...100, default: 1)
    learning.momentum = try map.number("momentum", 0...0.9999, default: 0.9)
    learning.clip = try map.number("clip", 0...1e9, default: isPublished ? 1 : 0)
    learning.accumulate = try map.integer("accumulate", 1...65536, default: 1)
    learning.checkpointEvery = try map.integer("checkpoint-every", 0...1_000_000_000, default: 0)
  }
}

extension LadderStage {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping(["label", "rungs", "limit", "length"])
    label = try map["label"]?.string() ?? "ladder"
    rungs = []
    let elements = try map.required("rungs").list()
    for (index, element) in elements.enumerated() {
      rungs.append(try RotateStage(element, default: "rung \(index + 1)"))
    }
    guard !rungs.isEmpty else {
      throw .outOfRange(map.place, expected: "at least one rung", got: "none")
    }
    limit = try map["limit"]?.integer(1...Int.max)
    length = try map["length"]?.integer(1...1_048_576)
  }
}

extension OutliersStage {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.isNull ? nil : reader.mapping(["label", "strength", "seed", "windows"])
    label = try map?["label"]?.string() ?? "outlier twin"
    strength = try map?.number("strength", 1...1000, default: 20) ?? 20
    seed = try map?.integer("seed", 0...Int(Int32.max), default: 0) ?? 0
    windows = try map?.integer("windows", 1...1_000_000, default: 16) ?? 16
  }
}

extension GPTQStage {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map =
      try reader.isNull
      ? nil
      : reader.mapping([
        "label", "windows", "length", "damping", "act-order", "static-groups",
        "correct-inputs", "activations",
      ])
    label = try map?["label"]?.string() ?? "GPTQ"
    windows = try map?.integer("windows", 1...1_000_000, default: 128) ?? 128
    length = try map?["length"]?.integer(1...1_048_576)
    damping = try map?.number("damping", 0...10, default: 0.01) ?? 0.01
    actOrder = try map?.flag("act-order", default: true) ?? true
    correctsInputs = try map?.flag("correct-inputs", default: true) ?? true
    staticGroups = try map?.flag("static-groups", default: false) ?? false
    let activations = try map?["activations"].map { reader throws(RecipeError) in
      try reader.name("kind of activations", among: ["float", "quantized"])
    }
    quantizedActivations = activations == "quantized"
  }
}

extension TrainStage {
  /// A stage with nothing special about it.
  init(label: String, steps: Int, rate: Double) {
    self.init(
      label: label, steps: steps, rate: rate, schedule: .cosine, warmup: 0, floor: 0, batch: 8,
      length: nil, loss: .crossEntropy, temperature: 1, distillationShare: 0, quantized: true,
      optimizer: .adamw, momentum: 0.9, weightDecay: 0, scaleRate: 1, milestones: nil, health: 0,
      dampening: 0, freezing: 0, clip: 0, accumulate: 1, average: 0, reestimateBatchNorm: 0,
      recompute: false, checkpointEvery: 0)
  }
}
