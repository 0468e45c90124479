import Glibc
public import GyroAutodiff
public import GyroModels
import GyroOptimization
public import GyroTensors

/// The training loop: batches in, steps out, events to whoever listens.
///
/// ```
/// let trainer = Trainer(options, callbacks: [ProgressReporter(), CheckpointCallback(directory)])
/// try trainer.run(&state) { stream.batch($0) } loss: { batch, pass in model.loss(batch, pass) }
/// ```
/// A step averages the gradients of `accumulation` batches, looks whether loss and gradients are
/// finite, absorbs statistics, clips, moves the parameters and the moving average.
public struct Trainer {
  public let options: TrainingOptions
  private let callbacks: [any TrainingCallback]
  private let interruption: Interruption?
  private let clock: () -> Double

  /// - Parameters:
  ///   - callbacks: called in this order; put what evaluates before what saves.
  ///   - interruption: looked at between steps.
  ///   - clock: seconds since some moment.
  public init(
    _ options: TrainingOptions, callbacks: [any TrainingCallback] = [],
    interruption: Interruption? = nil, clock: @escaping () -> Double = systemSeconds
  ) {
    self.options = options
    self.callbacks = callbacks
    self.interruption = interruption
    self.clock = clock
  }

  /// Trains from `state.step` to `options.steps`.
  ///
  /// - Parameters:
  ///   - state: changed in place; also right after an error, up to the last whole step.
  ///   - instrumentation: what stands between the model and its numbers, e.g. quantization.
  ///   - precision: of matrix products between float operands.
  ///   - recomputesActivations: trades one more forward pass for the activations of blocks.
  ///   - size: the number of items (tokens, images) in a batch, for speeds.
  ///   - absorb: takes a batch's statistics into the store, e.g. batch-norm moments. Called for each
  ///     batch of a step in order, once the whole step is known to be finite.
  ///   - batch: a pure function of the index of the batch, `step · accumulation + part`.
  ///   - loss: a scalar; the mean over the batch, if accumulation is to equal a larger batch.
  /// - Throws: `TrainingError`, or what a closure or callback throws.
  public func run<Batch>(
    _ state: inout TrainingState, instrumentation: any Instrumentation = NoInstrumentation(),
    precision: MatmulPrecision = .float32, recomputesActivations: Bool = false,
    size: (Batch) -> Int = { _ in 1 },
    absorb: (Statistics, inout ParameterStore) throws -> Void = { _, _ in },
    batch: (Int) throws -> Batch,
    loss: (Batch, ForwardPass) throws -> Variable
  ) throws {
    let trained = Set(try state.parameters.paths(matching: options.trainable))
    try run(
      &state, size: size, absorb: absorb, batch: batch,
      differentiation: { batch, parameters, mode, seed in
        try differentiate(
          parameters, mode: mode, seed: seed, instrumentation: instrumentation,
          precision: precision, recomputesActivations: recomputesActivations,
          trainable: trained.contains
        ) { try loss(batch, $0) }
      })
  }

  /// Trains from `state.step` to `options.steps` by gradients that are found in a way of the caller's
  /// own, e.g. one part of the model after the other.
  ///
  /// - Parameters:
  ///   - state: as above, as are `size`, `absorb` and `batch`.
  ///   - differentiation: the loss of a batch and its gradients, with the seed of its randomness.
  /// - Throws: `TrainingError`, or what a closure or callback throws.
  public func run<Batch>(
    _ state: inout TrainingState, size: (Batch) -> Int = { _ in 1 },
    absorb: (Statistics, inout ParameterStore) throws -> Void = { _, _ in },
    batch: (Int) throws -> Batch,
    differentiation: (Batch, ParameterStore, ForwardMode, UInt64) throws -> Differentiation
  ) throws {
    do {
      try send(.began(step: state.step, steps: options.steps), &state)
      while state.step < options.steps {
        try stopIfAsked(&state)
        let outcome: TrainingEvent
        do {
          let started = clock()
          var work = Work()
          for part in 0..<options.accumulation {
            let batch = try batch(state.step * options.accumulation + part)
            work.items += size(batch)
            work.add(
              try differentiation(
                batch, state.parameters, .training(step: state.step),
                state.seed &+ UInt64(part) &* 0x9e37_79b9_7f4a_7c15))
          }
          var metrics = try finish(&work, &state, absorb: absorb)
          metrics.seconds = clock() - started
          metrics.residentBytes = ResidentMemory.current
          outcome = .stepped(metrics)
        } catch let fault as NumericFault {
          outcome = try skipped(fault, &state)
        }
        try send(outcome, &state)
      }
      try send(.ending(.finished), &state)
      try send(.finished(step: state.step), &state)
    } catch TrainingError.interrupted(let step, let checkpoint) {
      throw TrainingError.interrupted(step: step, checkpoint: checkpoint)
    } catch {
      report(error, &state)
      throw error
    }
  }

  /// The sums over the batches of one step.
  private struct Work {
    var loss = 0.0
    var items = 0
    var gradients = Gradients()
    var statistics: [Statistics] = []

    mutating func add(_ result: Differentiation) {
      loss += Double(result.loss)
      gradients.add(result.gradients)
      statistics.append(result.statistics)
    }
  }

  private func finish(
    _ work: inout Work, _ state: inout TrainingState,
    absorb: (Statistics, inout ParameterStore) throws -> Void
  ) throws -> StepMetrics {
    let share = 1 / Double(options.accumulation)
    for callback in callbacks {
      try callback.willUpdate(&work.gradients, batches: options.accumulation, &state)
    }
    let norm = try work.gradients.norm() * share
    let clipping = options.clippingNorm.map { clippingFactor(norm: norm, limit: $0) } ?? 1
    let rate = options.schedule(state.step)
    for statistics in work.statistics { try absorb(statistics, &state.parameters) }
    try state.optimizer.apply(
      work.gradients, to: &state.parameters, rate: rate, gradientScale: share * clipping)
    for callback in callbacks { try callback.didUpdate(&state) }
    state.average?.update(toward: state.parameters)
    state.step += 1
    state.itemsSeen += work.items
    return StepMetrics(
      step: state.step, steps: options.steps, loss: work.loss * share, gradientNorm: norm,
      clippingFactor: clipping, rate: rate, items: work.items)
  }

  private func skipped(
    _ fault: NumericFault, _ state: inout TrainingState
  ) throws(TrainingError) -> TrainingEvent {
    guard case .skip(let limit) = options.notFinite, state.skippedSteps < limit else {
      throw TrainingError.notFinite(
        path: fault.path, step: state.step, what: fault.what, lastCheckpoint: state.checkpoint)
    }
    state.skippedSteps += 1
    state.step += 1
    return .skipped(step: state.step, fault)
  }

  private func stopIfAsked(_ state: inout TrainingState) throws {
    guard let interruption, interruption.isRequested else { return }
    try send(.ending(.interrupted), &state)
    try send(.interrupted(step: state.step, checkpoint: state.checkpoint), &state)
    throw TrainingError.interrupted(step: state.step, checkpoint: state.checkpoint)
  }

  /// Hands an event, and the events it leads to, to all callbacks.
  private func send(_ event: TrainingEvent, _ state: inout TrainingState) throws {
    var queue = [event]
    while !queue.isEmpty {
      let event = queue.removeFirst()
      if case .checkpointed(let url) = event { state.checkpoint = url }
      for callback in callbacks {
        if let next = try callback.handle(event, &state) { queue.append(next) }
      }
    }
  }

  /// Tells callbacks of an error; their own errors would only hide it.
  private func report(_ error: any Error, _ state: inout TrainingState) {
    let event = TrainingEvent.failed(step: state.step, reason: String(describing: error))
    for callback in callbacks { _ = try? callback.handle(event, &state) }
  }
}

/// Seconds on the system's monotonic clock.
public func systemSeconds() -> Double {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}
