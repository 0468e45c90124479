import GyroModels
import GyroQuantization
import GyroTensors
import GyroTraining

/// Counts what the stages of a recipe do, and makes time, memory and disk of it.
struct StageCounting {
  let recipe: Recipe
  let unit: String
  let parameters: ParameterStore
  let plan: QuantizationPlan?
  /// Tokens of a window where the recipe names none; 1 for images.
  var usualLength = 1
  private var trainedLength: Int { min(usualLength, 128) }
  /// Bytes of the weights' files; nil when the experiment makes its model.
  var storedBytes: Int?
  /// Units of `data.evaluate`; nil when there is none.
  var evaluationUnits: Int?
  /// Tokens of each text that is measured beside it.
  var furtherUnits: [Int] = []
  /// Tokens to be sampled before the first stage, and seconds for each.
  var sampled = 0
  var samplingSeconds = 0.0
  /// Keys and values of the texts that are sampled together.
  var samplingBytes = 0
  /// Tokens of text that are kept.
  var text = 0
  /// Bytes of images that are kept.
  var imageBytes = 0

  private var elements: Int
  private var stages: [RunEstimate.Stage] = []
  private var peak: (bytes: Int, stage: String, parts: [RunEstimate.MemoryPart]) = (0, "", [])
  private var isQuantized = false
  private var isMeasured = false
  /// Whether the model the experiment began with is kept beside the one at work.
  private var hasChanged = false
  private var needsCalibration: Bool

  init(_ recipe: Recipe, units: String, parameters: ParameterStore, plan: QuantizationPlan?) {
    self.recipe = recipe
    unit = units
    self.parameters = parameters
    self.plan = plan
    elements = parameters.parameterCount
    needsCalibration = plan?.needsCalibration ?? false
  }

  /// Goes through the stages.
  mutating func estimate<T>(
    _ probe: StepProbe<T>, units: Int
  ) throws -> RunEstimate {
    var rates = MeasuredRates(probe: probe, units: units)
    if sampled > 0 {
      let label = "text from the float model"
      add("sample", label, "\(sampled) tokens", Double(sampled) * samplingSeconds)
      // Sampling decodes a copy of its own.
      let decoded = unchangedBytes < 4 * elements ? 4 * elements : 0
      note(label, activations: samplingBytes + decoded)
    }
    for stage in recipe.stages { try count(stage, &rates) }
    let assumptions = rates.assumptions(unit: unit, sampled: sampled > 0)
    // What the libraries have taken by now, without tensors.
    MemoryUsage.trim()
    let base = max(0, ResidentMemory.current - MemoryUsage.current.liveBytes)
    let parts = [RunEstimate.MemoryPart(name: "program", bytes: base)] + peak.parts
    return RunEstimate(
      name: recipe.name, parameters: elements, scheme: recipe.scheme?.summary,
      layers: LayerTable(plan, parameters), stages: stages,
      seconds: stages.reduce(0) { $0 + $1.seconds },
      diskBytes: stages.reduce(0) { $0 + $1.diskBytes },
      peakBytes: parts.reduce(0) { $0 + $1.bytes }, memory: parts, peakStage: peak.stage,
      assumptions: assumptions)
  }

  private mutating func add(
    _ kind: String, _ label: String, _ work: String, _ seconds: Double, disk: Int = 0
  ) {
    stages.append(
      RunEstimate.Stage(kind: kind, label: label, work: work, seconds: seconds, diskBytes: disk))
  }

  // MARK: Stages

  private mutating func count<T>(_ stage: StageRecipe, _ rates: inout MeasuredRates<T>) throws {
    switch stage {
    case .evaluate(let stage), .round(let stage):
      let kind = if case .round = recipe.stages[stageIndex] { "round" } else { "evaluate" }
      let extra = try turn(kind == "round" ? true : stage.quantized, &rates)
      let seen = evaluated(stage.limit, stage.length)
      add(kind, stage.label, "\(seen) \(unit)", try extra + measure(seen, &rates))
      isMeasured = true
    case .calibrate(let stage):
      needsCalibration = plan?.needsCalibration ?? false
      isQuantized = false
      add(
        "calibrate", stage.label, "\(stage.batches) batches",
        try turn(
          true, &rates, batches: stage.batches, of: stage.batch * (stage.length ?? usualLength)))
    case .compare(let stage):
      let seen = evaluated(stage.limit, stage.length)
      let one =
        Double(seen)
        * (try rates.cost(.evaluate, quantized: true, teacher: true)
          .secondsPerUnit)
      add(
        "compare", stage.label, "\(stage.schemes.count) schemes × \(seen) \(unit)",
        one * Double(stage.schemes.count))
    case .train(let stage):
      try train(stage, &rates)
    case .rotate(let stage):
      try rotate(stage, &rates)
    case .ladder(let stage):
      let seen = evaluated(stage.limit, stage.length)
      for rung in stage.rungs {
        try rotate(rung, &rates)
        isQuantized = true
        add("ladder", rung.label, "\(seen) \(unit)", try measure(seen, &rates))
      }
    case .gptq(let stage):
      isQuantized = true
      let seen = stage.windows * (stage.length ?? usualLength)
      let forward = try rates.cost(.evaluate, quantized: true, teacher: false).secondsPerUnit
      let (moments, factors) = gptqWork(seen)
      // Both passes over the windows, the moments of inputs, and cubic work in Float64.
      let rate = try rates.multiplicationsPerSecond(elements)
      add(
        "gptq", stage.label, "\(stage.windows) windows",
        2 * Double(seen) * forward + moments / rate + 4 * factors / rate)
      isMeasured = false
    case .outliers(let stage):
      isQuantized = false
      let seen = stage.windows * usualLength
      add(
        "outliers", stage.label, "\(stage.windows) windows",
        6 * Double(seen)
          * (try rates.cost(.evaluate, quantized: false, teacher: false).secondsPerUnit))
      hasChanged = true
      isMeasured = false
    case .export:
      let bytes = isQuantized ? LayerTable(plan, parameters).packedBytes : 4 * elements
      let again = isMeasured ? try measure(lastMeasured, &rates) : 0
      add("export", "written and read back", "\(unitsText(lastMeasured))", again, disk: bytes)
    }
    stageIndex += 1
  }
  private var stageIndex = 0
  private var lastMeasured = 0

  private func unitsText(_ count: Int) -> String { count > 0 ? "\(count) \(unit)" : "weights" }

  private mutating func evaluated(_ limit: Int?, _ length: Int?) -> Int {
    let window = unit == "tokens" ? length ?? usualLength : 1
    let windows = ([evaluationUnits ?? 0] + furtherUnits).map { units in
      min(limit ?? Int.max, max(0, units / window))
    }
    lastMeasured = windows.reduce(0, +) * window
    return lastMeasured
  }

  private mutating func measure<T>(_ seen: Int, _ rates: inout MeasuredRates<T>) throws -> Double {
    let cost = try rates.cost(.evaluate, quantized: isQuantized, teacher: isQuantized)
    let atOnce = unit == "tokens" ? max(1, 2048 / usualLength) * usualLength : 256
    note("evaluating", activations: Int(cost.bytesPerUnit * Double(atOnce)))
    return Double(seen) * cost.secondsPerUnit
  }

  /// Seconds of turning quantization on or off.
  private mutating func turn<T>(
    _ quantized: Bool?, _ rates: inout MeasuredRates<T>, batches: Int = 16, of size: Int? = nil
  ) throws -> Double {
    guard let quantized, quantized != isQuantized else { return 0 }
    isQuantized = quantized
    isMeasured = false
    guard quantized, needsCalibration else { return 0 }
    needsCalibration = false
    let units = batches * (size ?? 8 * usualLength)
    return 1.5 * Double(units)
      * (try rates.cost(.evaluate, quantized: false, teacher: false).secondsPerUnit)
  }

  private mutating func train<T>(_ stage: TrainStage, _ rates: inout MeasuredRates<T>) throws {
    let extra = try turn(stage.quantized, &rates)
    let size = stage.batch * (unit == "tokens" ? stage.length ?? trainedLength : 1)
    let hasTeacher = stage.distillationShare > 0 || stage.milestones?.setsDistillation == true
    let cost = try rates.cost(
      stage.recompute ? .recompute : .train, quantized: stage.quantized, teacher: hasTeacher)
    let units = stage.steps * stage.accumulate * size
    let update = 8 * Double(elements * stage.steps) * rates.secondsPerFloat
    let state = stateCopies(stage)
    let saved = stage.checkpointEvery > 0 ? min(2, stage.steps / stage.checkpointEvery + 1) : 1
    add(
      "train", stage.label, "\(stage.steps) steps of \(stage.accumulate * size) \(unit)",
      extra + Double(units) * cost.secondsPerUnit + update,
      disk: saved * (1 + state) * 4 * elements)
    hasChanged = true
    isMeasured = false
    note(
      stage.label,
      activations: Int(cost.bytesPerUnit * Double(size) + cost.bytesPerStep),
      training: [
        ("gradients", 4 * elements), ("optimizer and moving average", state * 4 * elements),
      ])
  }

  /// Copies of the parameters that an optimizer and a moving average keep.
  private func stateCopies(_ stage: TrainStage) -> Int {
    let moments =
      switch stage.optimizer {
      case .adamw: 2
      case .sgd: stage.momentum > 0 ? 1 : 0
      }
    return moments + (stage.average > 0 ? 1 : 0)
  }

  private mutating func rotate<T>(_ stage: RotateStage, _ rates: inout MeasuredRates<T>) throws {
    isQuantized = false
    isMeasured = false
    let learning = stage.learning
    let size = learning.batch * (learning.length ?? trainedLength)
    let cost = try rates.cost(.train, quantized: true, teacher: learning.distillationShare > 0)
    let step = Double(size) * cost.secondsPerUnit
    // A rotation is merged into all weights and its gradient summed over them, at every step.
    let hidden = parameters.paths.compactMap { parameters[$0].shape.dimensions.last }.max() ?? 1
    let rate = try rates.multiplicationsPerSecond(elements)
    let merging = 3 * Double(elements * hidden) / rate
    let starts = stage.candidates > 1 ? stage.candidates * stage.candidateBatches : 0
    // Checks of the float model before and after, and what flows through both.
    let checks =
      8 * Double(8 * usualLength)
      * (try rates.cost(.evaluate, quantized: false, teacher: false).secondsPerUnit)
    add(
      "rotate", stage.label,
      learning.steps > 0 ? "\(learning.steps) steps of \(size) tokens" : "a start, merged",
      Double(learning.steps) * (step + merging) + Double(starts) * step / 2 + 4 * merging + checks,
      disk: learning.steps > 0 ? 8 * elements : 0)
    let activations =
      learning.steps > 0 ? Int(cost.bytesPerUnit * Double(size) + cost.bytesPerStep) : 0
    note(
      stage.label, activations: stage.isBlockwise ? activations / blocks : activations,
      training: [
        ("merged weights, at work and at the end", (stage.isBlockwise ? 4 : 8) * elements),
        (
          "the largest weight in Float64",
          24 * (parameters.paths.map { parameters[$0].count }.max() ?? 0)
        ),
      ], model: hasChanged ? nil : unchangedBytes)
    hasChanged = true
    needsCalibration = plan?.needsCalibration ?? false
  }

  /// Blocks of a language model; 1 for others.
  private var blocks: Int {
    1 + (parameters.paths.compactMap { $0.splitAtLayer.number }.max() ?? 0)
  }

  /// Multiplications of a Hessian and of its factors, over all weights.
  private func gptqWork(_ seen: Int) -> (moments: Double, factors: Double) {
    var (moments, factors) = (0.0, 0.0)
    for path in parameters.paths where parameters.parameter(at: path)?.kind == .linear {
      let columns = Double(parameters[path].shape.columns)
      moments += Double(seen) * columns * columns
      factors += columns * columns * (columns + Double(parameters[path].shape.rows))
    }
    return (moments, factors)
  }

  // MARK: Memory

  /// A model that nobody changes, as it lies in memory: as in its file when it is large, because then
  /// no pass keeps what it decodes.
  private var unchangedBytes: Int {
    let copy = 4 * elements
    return copy > ForwardPass.keptDecodedBytes ? min(copy, storedBytes ?? copy) : copy
  }

  private mutating func note(
    _ stage: String, activations: Int, training: [(String, Int)] = [], model: Int? = nil
  ) {
    let copy = 4 * elements
    let held = training.isEmpty && !hasChanged ? unchangedBytes : copy
    var parts = [("model", model ?? held)]
    if hasChanged { parts.append(("model as it was (teacher)", copy)) }
    if isQuantized { parts.append(("codes and frozen weights", copy / 2)) }
    parts += training
    parts.append(("activations", activations))
    if text > 0 { parts.append(("text", 4 * text)) }
    if imageBytes > 0 { parts.append(("images", imageBytes)) }
    // Buffers are kept for reuse, in sizes an eighth of a power of two apart.
    let pool = parts.reduce(0) { $0 + $1.1 } / 8
    parts.append(("buffers kept for reuse", pool))
    let bytes = parts.reduce(0) { $0 + $1.1 }
    guard bytes > peak.bytes else { return }
    peak = (bytes, stage, parts.map { RunEstimate.MemoryPart(name: $0.0, bytes: $0.1) })
  }
}
