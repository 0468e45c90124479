import GyroAutodiff
import GyroDatasets
import GyroModels
import GyroQuantization
import GyroTensors
import GyroTraining

/// Times steps of a task on made-up batches, on a part of the model that a moment is enough for.
///
/// What is counted: multiplications of matrix products, by the shapes of the weights. What is
/// measured: seconds for so many of them, in the arithmetic of the recipe, and the bytes that a
/// forward pass leaves behind for the backward pass. Both are taken to grow with the count.
struct StepProbe<T: ExperimentTask> {
  /// One way of computing.
  struct Work: Hashable {
    enum Kind: Hashable { case evaluate, train, recompute }
    var kind: Kind
    var isQuantized: Bool
    /// Whether the float model is computed as well, to be compared with.
    var hasTeacher: Bool
  }

  /// What one unit (a token, an image) takes, and a step apart from its units.
  struct Cost {
    var secondsPerUnit = 0.0
    /// Kept for the backward pass.
    var bytesPerUnit = 0.0
    /// Codes of weights and the like, which do not depend on the batch.
    var bytesPerStep = 0.0
  }

  /// The task with the part of the model that is measured.
  let task: T
  /// Multiplications for one unit, of the whole model over those of the part.
  let workRatio: Double
  /// Numbers kept for one unit, of the whole model over those of the part.
  let keptRatio: Double
  /// Parameters of the whole model over those of the part.
  let parameterRatio: Double
  /// A batch of at most so many units.
  let batch: (Int) -> T.Batch
  let precision: MatmulPrecision
  let plan: QuantizationPlan?
  private let prepared: ParameterStore

  init(
    _ task: T, workRatio: Double, keptRatio: Double, parameterRatio: Double,
    plan: QuantizationPlan?,
    precision: MatmulPrecision, calibrating units: Int, batch: @escaping (Int) -> T.Batch
  ) throws {
    self.task = task
    self.workRatio = workRatio
    self.keptRatio = keptRatio
    self.parameterRatio = parameterRatio
    self.plan = plan
    self.precision = precision
    self.batch = batch
    var parameters = task.initial
    if let plan {
      if plan.needsCalibration {
        var calibration = try Calibration(for: plan)
        let pass = ForwardPass(
          parameters, mode: .calibration, instrumentation: calibration.probe, precision: precision)
        _ = task.scores(batch(units), pass)
        try calibration.absorb(pass.statistics)
        try plan.prepare(&parameters, with: calibration)
      } else {
        try plan.prepare(&parameters)
      }
    }
    prepared = parameters
  }

  /// Measures one way of computing.
  /// - Parameter units: of one batch of the recipe; fewer are measured where a batch takes long.
  func cost(_ work: Work, units: Int) throws -> Cost {
    let batch = batch(units)
    let size = task.size(of: batch)
    var kept = 0
    // The first step fills caches and the pool of buffers.
    var seconds = try time(work, batch, &kept)
    var spent = seconds
    for _ in 0..<4 where spent < 1 {
      let next = try time(work, batch, &kept)
      seconds = min(seconds, next)
      spent += next
    }
    var cost = Cost(secondsPerUnit: seconds / Double(max(size, 1)) * workRatio)
    let half = self.batch(max(1, units / 2))
    let fewer = task.size(of: half)
    guard fewer < size else {
      cost.bytesPerUnit = Double(max(kept, 0)) / Double(max(size, 1)) * keptRatio
      return cost
    }
    var less = 0
    _ = try time(work, half, &less)
    let slope = max(0, Double(kept - less) / Double(size - fewer))
    cost.bytesPerUnit = slope * keptRatio
    // What a pass that measures makes of weights is counted with them.
    if work.kind != .evaluate {
      cost.bytesPerStep = max(0, Double(kept) - slope * Double(size)) * parameterRatio
    }
    return cost
  }

  /// Seconds of one step, and the bytes alive when its forward pass is done.
  private func time(_ work: Work, _ batch: T.Batch, _ kept: inout Int) throws -> Double {
    var instrumentation: any Instrumentation = NoInstrumentation()
    if work.isQuantized, let plan { instrumentation = plan }
    let parameters = work.isQuantized ? prepared : task.initial
    let teacher = work.hasTeacher ? FloatModel(parameters: task.initial) : nil
    let before = MemoryUsage.current.liveBytes
    let started = systemSeconds()
    if work.kind == .evaluate {
      let pass = ForwardPass(parameters, instrumentation: instrumentation, precision: precision)
      let scores = task.scores(batch, pass)
      _ = scores.crossEntropy(targets: task.targets(of: batch)).value.item
      if let teacher {
        let wanted = task.scores(batch, teacher.pass(precision)).value
        _ = scores.kullbackLeibler(toTeacher: wanted).value.item
      }
      kept = MemoryUsage.current.liveBytes - before
    } else {
      var alive = 0
      _ = try differentiate(
        parameters, mode: .training(step: 0), instrumentation: instrumentation,
        precision: precision, recomputesActivations: work.kind == .recompute
      ) { pass in
        let loss = task.loss(
          batch, pass, TrainingTarget(teacher: teacher, share: teacher == nil ? 0 : 1),
          precision: precision)
        alive = MemoryUsage.current.liveBytes - before
        return loss
      }
      kept = alive
    }
    return systemSeconds() - started
  }
}

/// The part of a Llama that is measured, and how it compares with the whole.
struct LlamaPart {
  let configuration: LlamaConfiguration
  /// Tokens of a batch, and tokens of a window.
  let units: Int, length: Int
  let workRatio: Double, keptRatio: Double, parameterRatio: Double

  /// Multiplications that one measured step may take, forward and backward.
  private static let budget = 8e9

  /// - Parameter batch: windows and tokens of a step of the recipe.
  init(of whole: LlamaConfiguration, batch: Int, length: Int) {
    var part = whole
    part.vocabulary = min(whole.vocabulary, 8192)
    var rows = batch
    var length = length
    func work() -> Double { 3 * Self.work(part, length) * Double(rows * length) }
    while work() > Self.budget, rows > 1, rows * length > 512 { rows = (rows + 1) / 2 }
    while work() > Self.budget, part.layers > 2 { part.layers = (part.layers + 1) / 2 }
    while work() > Self.budget, rows > 1 { rows = (rows + 1) / 2 }
    while work() > Self.budget, length > 32 { length = (length + 1) / 2 }
    part.context = length
    configuration = part
    self.length = length
    units = rows * length
    workRatio = Self.work(whole, length) / Self.work(part, length)
    keptRatio = Self.kept(whole) / Self.kept(part)
    parameterRatio = Double(whole.parameterCount) / Double(part.parameterCount)
  }

  /// Multiplications for one token, forward.
  static func work(_ model: LlamaConfiguration, _ length: Int) -> Double {
    let projections = model.hidden * model.headSize * 2 * (model.heads + model.keyValueHeads)
    let attention = model.heads * model.headSize * length
    return Double(model.layers * (projections + attention + 3 * model.hidden * model.feedForward))
      + Double(model.hidden * model.vocabulary)
  }

  /// Numbers kept for one token: sums, norms, queries, keys and values, the feed-forward, logits.
  static func kept(_ model: LlamaConfiguration) -> Double {
    let attention = model.headSize * (2 * model.heads + 2 * model.keyValueHeads)
    return Double(
      model.layers * (5 * model.hidden + attention + 4 * model.feedForward) + 2 * model.vocabulary)
  }
}
