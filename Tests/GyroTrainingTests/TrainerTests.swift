import Foundation
import GyroModels
import GyroOptimization
import GyroTensors
import GyroTraining
import Testing

@Suite struct TrainerTests {
  @Test("Events come in order, and what evaluates is heard before what saves")
  func order() throws {
    let temporary = try TemporaryDirectory()
    var (network, state) = try TinyRun.state()
    let recorder = Recorder()
    var scores = [3.0, 1, 2]
    let evaluation = EvaluationCallback(every: 2) { _ in ["loss": scores.removeFirst()] }
    try TinyRun(steps: 5, directory: CheckpointDirectory(temporary.url), interval: 2)(
      network, &state, callbacks: [recorder, evaluation])
    #expect(
      recorder.names == [
        "began 0/5", "stepped 1", "stepped 2", "evaluated 2 best",
        "checkpointed step-00000002.safetensors", "stepped 3", "stepped 4", "evaluated 4 best",
        "checkpointed step-00000004.safetensors", "stepped 5", "ending finished", "evaluated 5",
        "checkpointed step-00000005.safetensors", "finished 5",
      ])
    #expect(state.best?.score == 1 && state.best?.step == 4)
  }

  @Test("Training lowers the loss, and metrics say what happened")
  func learns() throws {
    var (network, state) = try TinyRun.state()
    let recorder = Recorder()
    var run = TinyRun(steps: 60)
    run.schedule = try Schedule(.linear, peak: 0.05, warmup: 5, steps: 60)
    try run(network, &state, callbacks: [recorder])
    let metrics = recorder.events.compactMap { event in
      if case .stepped(let metrics) = event { metrics } else { nil }
    }
    #expect(metrics.count == 60 && metrics[59].loss < metrics[0].loss / 3)
    #expect(metrics.allSatisfy { $0.items == 8 && $0.seconds > 0 && $0.residentBytes > 1 << 20 })
    #expect(metrics[0].rate == 0.01 && abs(metrics[59].rate * 55 / 0.05 - 1) < 1e-12)
    for one in metrics {
      #expect(one.clippingFactor == min(1, 0.8 / one.gradientNorm))
    }
  }

  @Test("Steps write parameters, moments and average in place: memory does not move")
  func inPlace() throws {
    var (network, state) = try TinyRun.state()
    var addresses: [[Int]] = []
    let recorder = Recorder { event, state in
      guard case .stepped = event else { return }
      let average = state.average!.average
      let moments = state.optimizer.archive.states.sorted { $0.key < $1.key }
        .flatMap { $0.value.tensors.sorted { $0.key < $1.key }.map(\.value) }
      let trained = state.parameters.parameterPaths
      let tensors = trained.map { state.parameters[$0] } + trained.map { average[$0] } + moments
      addresses.append(tensors.map { $0.withElements { Int(bitPattern: $0) } })
    }
    try TinyRun(steps: 6)(network, &state, callbacks: [recorder])
    #expect(addresses.count == 6 && Set(addresses.dropFirst()).count == 1)
  }

  @Test("A run that is complete already does nothing")
  func complete() throws {
    var (network, state) = try TinyRun.state()
    try TinyRun(steps: 3)(network, &state)
    let before = bits(of: state)
    let recorder = Recorder()
    try TinyRun(steps: 3)(network, &state, callbacks: [recorder])
    #expect(bits(of: state) == before)
    #expect(recorder.names == ["began 3/3", "ending finished", "finished 3"])
  }

  @Test("Parameters outside the trained pattern stay, bit for bit")
  func trainable() throws {
    let network = TinyNetwork()
    var state = TrainingState(
      parameters: network.store,
      optimizer: try Optimizer(AdamW(), for: network.store, trainable: "hidden.*"), seed: 1)
    let options = TrainingOptions(
      steps: 3, schedule: try Schedule(peak: 0.1, steps: 3), trainable: "hidden.*")
    try Trainer(options).run(&state) {
      TinyNetwork.batch($0)
    } loss: {
      network.loss($0, $1)
    }
    let store = network.store
    #expect(state.parameters["output.weight"].elements == store["output.weight"].elements)
    #expect(state.parameters["hidden.bias"].elements != store["hidden.bias"].elements)
    let misspelt = TrainingOptions(
      steps: 3, schedule: options.schedule, trainable: "hiden.*")
    #expect(throws: PathError.self) {
      try Trainer(misspelt).run(&state) {
        TinyNetwork.batch($0)
      } loss: {
        network.loss($0, $1)
      }
    }
  }

  // MARK: What is not finite

  /// Trains with a target that is not a number in batch 7, which is in step 3.
  func poisoned(
    _ options: TrainingOptions, _ callbacks: [any TrainingCallback]
  ) throws -> Result<TrainingState, TrainingError> {
    var (network, state) = try TinyRun.state()
    let trainer = Trainer(options, callbacks: callbacks)
    do {
      try trainer.run(&state, absorb: network.absorb) { index in
        var batch = TinyNetwork.batch(index)
        if index == 7 { batch.targets[1] = .nan }
        return batch
      } loss: {
        network.loss($0, $1)
      }
      return .success(state)
    } catch let error as TrainingError {
      return .failure(error)
    }
  }

  @Test("A loss that is not finite stops the run, naming step and last checkpoint")
  func stops() throws {
    let temporary = try TemporaryDirectory()
    let directory = CheckpointDirectory(temporary.url)
    let recorder = Recorder()
    guard
      case .failure(let error) = try poisoned(
        TinyRun(steps: 6).options, [recorder, CheckpointCallback(directory, every: 2)])
    else {
      Issue.record("the run did not stop")
      return
    }
    let file = temporary.url.appendingPathComponent("step-00000002.safetensors")
    #expect(
      error
        == .notFinite(path: "loss", step: 3, what: "the loss is nan", lastCheckpoint: file))
    #expect(
      error.description
        == "step 3: the loss is nan at loss; the last good checkpoint is \(file.path). Try a lower "
        + "learning rate, a longer warm-up or a clipping norm, or let the run skip such steps.")
    #expect(recorder.names.suffix(2) == ["stepped 3", "failed 3"])
    guard case .failure(let bare) = try poisoned(TinyRun(steps: 6).options, []) else {
      Issue.record("the run did not stop")
      return
    }
    #expect(bare.description.contains("; no checkpoint was written yet."))
  }

  @Test("Such a step is skipped if asked, so many times, and leaves no trace")
  func skips() throws {
    var options = TinyRun(steps: 6).options
    options.notFinite = .skip(upTo: 1)
    let recorder = Recorder()
    let state = try poisoned(options, [recorder]).get()
    #expect(state.step == 6 && state.skippedSteps == 1 && state.optimizer.stepCount == 5)
    #expect(recorder.names.contains("skipped 4"))
    #expect(
      state.parameters.paths.allSatisfy { path in
        state.parameters[path].elements.allSatisfy(\.isFinite)
      })
    options.notFinite = .skip(upTo: 0)
    #expect(throws: TrainingError.self) { try poisoned(options, []).get() }
  }

  @Test("A gradient that is not finite is named by its parameter")
  func gradient() throws {
    // No activation and huge output weights: the loss is finite, the bias' gradient is not.
    var store = TinyNetwork().store
    store["hidden.weight"] = .zeros(store["hidden.weight"].shape)
    store["hidden.bias"] = .zeros(store["hidden.bias"].shape)
    store["output.weight"] = Tensor(store["output.weight"].shape, repeating: 1e25)
    var state = TrainingState(
      parameters: store, optimizer: try Optimizer(SGD(), for: store), seed: 1)
    let trainer = Trainer(
      TrainingOptions(steps: 1, schedule: try Schedule(peak: 0.1, steps: 1)))
    let error = #expect(throws: TrainingError.self) {
      try trainer.run(&state) { _ in
        TinyNetwork.Batch(inputs: [Float](repeating: 1e-3, count: 6), targets: [1e15])
      } loss: {
        TinyNetwork().loss($0, $1)
      }
    }
    #expect(
      error
        == .notFinite(
          path: "hidden.bias", step: 0, what: "the gradient is not finite", lastCheckpoint: nil))
    #expect(state.parameters["output.weight"].elements == store["output.weight"].elements)
  }

  @Test("An error of a callback stops the run and is passed on")
  func callbackError() throws {
    var (network, state) = try TinyRun.state()
    let recorder = Recorder()
    let failing = Recorder { event, _ in
      if case .stepped(let metrics) = event, metrics.step == 2 {
        throw NumericFault(path: "evaluation", what: "nan")
      }
    }
    #expect(throws: NumericFault.self) {
      try TinyRun(steps: 4)(network, &state, callbacks: [recorder, failing])
    }
    #expect(state.step == 2)
    #expect(recorder.names == ["began 0/4", "stepped 1", "stepped 2", "failed 2"])
  }
}
