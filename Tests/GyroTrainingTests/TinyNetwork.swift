import Foundation
import GyroAutodiff
import GyroModels
import GyroOptimization
import GyroTensors
import GyroTraining

/// A network small enough to be written out: `y = w₂ · tanh(W₁ x + b₁)`, mean-square error, as one
/// op in double precision. It has a buffer, draws random numbers and records statistics, so that
/// every part of a training state is in use.
struct TinyNetwork: Sendable {
  static let inputs = 6, hidden = 16

  let hiddenWeight, hiddenBias, outputWeight, mean: Parameter
  let site: Site
  let store: ParameterStore

  init(initialization seed: UInt64 = 1) {
    let build = ModelBuilder(seed: seed)
    let hidden = build.scoped("hidden")
    hiddenWeight = hidden.parameter(
      "weight", [Self.hidden, Self.inputs], .linear, .normal(standardDeviation: 0.5))
    hiddenBias = hidden.parameter("bias", [Self.hidden], .bias, .uniform(bound: 0.1))
    outputWeight = build.scoped("output").parameter(
      "weight", [Self.hidden], .linear, .normal(standardDeviation: 0.5))
    mean = build.buffer("mean", [Self.inputs], .zeros)
    site = build.site("noise")
    store = build.store
  }

  struct Batch: Sendable {
    var inputs: [Float]
    var targets: [Float]
    var count: Int { targets.count }
  }

  /// The batch of an index, and nothing else.
  static func batch(_ index: Int, size: Int = 4) -> Batch {
    var random = RandomStream(seed: 5).derived("batch", index)
    let inputs = random.normal([size, Self.inputs]).elements
    let targets = (0..<size).map { inputs[$0 * Self.inputs] - inputs[$0 * Self.inputs + 1] }
    return Batch(inputs: inputs, targets: targets)
  }

  func loss(_ batch: Batch, _ pass: ForwardPass, noise: Float = 0.1) -> Variable {
    var random = pass.random(at: site)
    var inputs = batch.inputs
    for index in inputs.indices { inputs[index] += noise * (random.uniform() - 0.5) }
    var means = [Float](repeating: 0, count: Self.inputs)
    for (index, value) in batch.inputs.enumerated() {
      means[index % Self.inputs] += value / Float(batch.count)
    }
    pass.record(Tensor([Self.inputs], elements: means), at: mean.path)
    let op = TinyOp(inputs: inputs.map(Double.init), targets: batch.targets.map(Double.init))
    return .apply(op, to: pass(hiddenWeight), pass(hiddenBias), pass(outputWeight))
  }

  /// Takes the mean of the inputs into the buffer.
  func absorb(_ statistics: Statistics, _ store: inout ParameterStore) {
    guard let fresh = statistics[mean.path] else { return }
    let old = store[mean.path].elements
    store[mean.path] = Tensor(
      fresh.shape, elements: zip(old, fresh.elements).map { 0.9 * $0 + 0.1 * $1 })
  }
}

/// The network and its error in one op.
private struct TinyOp: Op {
  let inputs: [Double], targets: [Double]

  func forward(_ arguments: [Tensor]) -> (output: Tensor, residual: [Tensor]) {
    let (_, _, errors) = run(arguments)
    let sum = errors.reduce(0) { $0 + $1 * $1 }
    return (Tensor(scalar: Float(sum / Double(errors.count))), arguments)
  }

  func pullback(_ cotangent: Tensor, _ arguments: [Tensor], needs: [Bool]) -> [Tensor?] {
    let (x, h) = (TinyNetwork.inputs, TinyNetwork.hidden)
    let (activations, output, errors) = run(arguments)
    var gradients = arguments.map { [Double](repeating: 0, count: $0.count) }
    for (row, error) in errors.enumerated() {
      let slope = 2 * error / Double(errors.count) * Double(cotangent.item)
      for unit in 0..<h {
        let value = activations[row * h + unit]
        gradients[2][unit] += slope * value
        let inner = slope * output[unit] * (1 - value * value)
        gradients[1][unit] += inner
        for input in 0..<x { gradients[0][unit * x + input] += inner * inputs[row * x + input] }
      }
    }
    return zip(arguments, zip(gradients, needs)).map { argument, result in
      result.1 ? Tensor(argument.shape, elements: result.0.map { Float($0) }) : nil
    }
  }

  private func run(_ arguments: [Tensor]) -> ([Double], output: [Double], errors: [Double]) {
    let (x, h) = (TinyNetwork.inputs, TinyNetwork.hidden)
    let parts = arguments.map { $0.elements.map(Double.init) }
    var activations: [Double] = []
    var errors: [Double] = []
    for (row, target) in targets.enumerated() {
      var output = 0.0
      for unit in 0..<h {
        var sum = parts[1][unit]
        for input in 0..<x { sum += parts[0][unit * x + input] * inputs[row * x + input] }
        activations.append(tanh(sum))
        output += parts[2][unit] * activations[row * h + unit]
      }
      errors.append(output - target)
    }
    return (activations, parts[2], errors)
  }
}

// MARK: Runs

/// A run that uses everything: two rules, moving average, warm-up, clipping, accumulation.
struct TinyRun {
  var steps = 12
  var accumulation = 2
  var directory: CheckpointDirectory?
  var interval = 0
  var schedule = try! Schedule(.cosine, peak: 0.05, final: 0.001, warmup: 3, steps: 12)

  var options: TrainingOptions {
    TrainingOptions(
      steps: steps, schedule: schedule, clippingNorm: 0.8, accumulation: accumulation)
  }

  /// A fresh state; its initial values differ with `initialization`.
  static func state(initialization: UInt64 = 1) throws -> (TinyNetwork, TrainingState) {
    let network = TinyNetwork(initialization: initialization)
    let optimizer = try Optimizer(
      [("output", SGD(momentum: 0.9, nesterov: true)), ("*", AdamW(weightDecay: 0.05))],
      for: network.store)
    return (
      network,
      TrainingState(
        parameters: network.store, optimizer: optimizer, seed: 77, averageDecay: 0.9)
    )
  }

  func callAsFunction(
    _ network: TinyNetwork, _ state: inout TrainingState,
    callbacks: [any TrainingCallback] = [], interruption: Interruption? = nil
  ) throws {
    let saving = directory.map { CheckpointCallback($0, every: interval) }
    let trainer = Trainer(
      options, callbacks: callbacks + (saving.map { [$0] } ?? []), interruption: interruption)
    try trainer.run(&state, size: \.count, absorb: network.absorb) {
      TinyNetwork.batch($0)
    } loss: {
      network.loss($0, $1)
    }
  }
}

/// Everything in a state as bits, to compare two of them.
func bits(of state: TrainingState) -> [String: [UInt32]] {
  var found: [String: [UInt32]] = [:]
  func note(_ name: String, _ tensor: Tensor) { found[name] = tensor.elements.map(\.bitPattern) }
  for path in state.parameters.paths {
    note("parameters \(path)", state.parameters[path])
    if let average = state.average?.average { note("average \(path)", average[path]) }
    if let best = state.best?.parameters { note("best \(path)", best[path]) }
  }
  for (path, archive) in state.optimizer.archive.states {
    for (name, tensor) in archive.tensors { note("optimizer \(path) \(name)", tensor) }
    for (name, count) in archive.counts { found["count \(path) \(name)"] = [UInt32(count)] }
  }
  for (name, tensor) in state.extra { note("extra \(name)", tensor) }
  found["numbers"] = [
    state.step, state.skippedSteps, state.itemsSeen, state.optimizer.stepCount,
    state.average?.updates ?? -1, state.best?.step ?? -1,
  ].map { UInt32(truncatingIfNeeded: $0) }
  return found
}

/// A folder of its own, removed when the last reference goes.
final class TemporaryDirectory {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("gyro-training-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}

/// Keeps the events it hears.
final class Recorder: TrainingCallback {
  private(set) var events: [TrainingEvent] = []
  private let reaction: (TrainingEvent, inout TrainingState) throws -> Void

  init(_ reaction: @escaping (TrainingEvent, inout TrainingState) throws -> Void = { _, _ in }) {
    self.reaction = reaction
  }

  func handle(_ event: TrainingEvent, _ state: inout TrainingState) throws -> TrainingEvent? {
    events.append(event)
    try reaction(event, &state)
    return nil
  }

  /// Short names of the events in order.
  var names: [String] {
    events.map { event in
      switch event {
      case .began(let step, let steps): "began \(step)/\(steps)"
      case .stepped(let metrics): "stepped \(metrics.step)"
      case .skipped(let step, _): "skipped \(step)"
      case .evaluated(let evaluation):
        "evaluated \(evaluation.step)\(evaluation.isBest ? " best" : "")"
      case .advised(let advice): "advised \(advice.count)"
      case .checkpointed(let url): "checkpointed \(url.lastPathComponent)"
      case .ending(let ending): "ending \(ending)"
      case .finished(let step): "finished \(step)"
      case .interrupted(let step, _): "interrupted \(step)"
      case .failed(let step, _): "failed \(step)"
      }
    }
  }
}
