import Foundation
import GyroModels
import GyroOptimization
import GyroTensors
import GyroTraining
import Testing

/// N steps equal k steps, a checkpoint, a restart and N − k steps, bit for bit.
@Suite struct ResumeTests {
  @Test("A resumed run ends in the same bits", arguments: [1, 5, 11])
  func resume(at step: Int) throws {
    let temporary = try TemporaryDirectory()
    let directory = CheckpointDirectory(temporary.url, fingerprints: TinyRun().options.fingerprints)
    func evaluation() -> EvaluationCallback {
      EvaluationCallback(every: 3, keepsBest: true) { store in
        ["loss": Double(store["output.weight"].elements[0])]
      }
    }
    var (network, whole) = try TinyRun.state()
    whole.extra["observer"] = Tensor([2], elements: [1, .nan])
    var first = whole
    try TinyRun()(network, &whole, callbacks: [evaluation()])

    // The first part ends the way a killed process does: nothing but its checkpoint remains.
    let killer = Recorder { event, _ in
      if case .checkpointed = event { throw CancellationError() }
    }
    #expect(throws: CancellationError.self) {
      try TinyRun(directory: directory, interval: step)(
        network, &first, callbacks: [evaluation(), killer])
    }

    var (otherNetwork, second) = try TinyRun.state(initialization: 2)
    let file = try directory.restore(&second)
    #expect(file?.lastPathComponent == "step-000000\(step < 10 ? "0" : "")\(step).safetensors")
    #expect(second.step == step && second.checkpoint == file)
    try TinyRun()(otherNetwork, &second, callbacks: [evaluation()])
    #expect(bits(of: second) == bits(of: whole))
    #expect(whole.itemsSeen == 12 * 2 * 4)

    var (_, another) = try TinyRun.state()
    try TinyRun()(network, &another)
    #expect(
      bits(of: another)["parameters hidden.weight"] == bits(of: whole)["parameters hidden.weight"],
      "evaluation changes nothing")
  }

  @Test("Seeds, data and every rule matter: other seeds give other bits")
  func seeds() throws {
    let (network, state) = try TinyRun.state()
    func end(seed: UInt64) throws -> [Float] {
      var run = TrainingState(
        parameters: state.parameters, optimizer: state.optimizer, seed: seed)
      try TinyRun()(network, &run)
      return run.parameters["hidden.weight"].elements
    }
    #expect(try end(seed: 1) == end(seed: 1))
    #expect(try end(seed: 1) != end(seed: 2))
  }

  @Test(
    "A process killed at any moment leaves whole checkpoints, and its run can go on",
    .timeLimit(.minutes(2)))
  func killed() async throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.url.path
    for milliseconds in [40, 90] {
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [path = path as String, milliseconds = milliseconds as Int] in
        let directory = CheckpointDirectory(
          URL(fileURLWithPath: path), fingerprints: TinyRun(steps: 1).options.fingerprints)
        var (network, state) = try TinyRun.state()
        try directory.restore(&state)
        try directory.write(state)
        Thread.detachNewThread {
          usleep(UInt32(milliseconds) * 1000)
          kill(getpid(), SIGKILL)
        }
        try TinyRun(steps: 1_000_000, directory: directory, interval: 1)(network, &state)
      }
    }
    let directory = CheckpointDirectory(
      temporary.url, fingerprints: TinyRun().options.fingerprints)
    var warnings: [String] = []
    var (network, resumed) = try TinyRun.state(initialization: 3)
    try directory.restore(&resumed) { warnings.append($0) }
    #expect(warnings.isEmpty)
    let steps = resumed.step + 3
    var (_, whole) = try TinyRun.state()
    try TinyRun(steps: steps)(network, &whole)
    try TinyRun(steps: steps)(network, &resumed)
    #expect(bits(of: resumed) == bits(of: whole))
  }

  @Test("Accumulated batches equal one larger batch to rounding")
  func accumulation() throws {
    let network = TinyNetwork()
    func end(parts: Int) throws -> [Float] {
      var state = TrainingState(
        parameters: network.store, optimizer: try Optimizer(SGD(momentum: 0.9), for: network.store),
        seed: 1)
      let trainer = Trainer(
        TrainingOptions(
          steps: 10, schedule: try Schedule(peak: 0.1, steps: 10), clippingNorm: 1,
          accumulation: parts))
      try trainer.run(&state) { index in
        let small = (0..<4 / parts).map { TinyNetwork.batch(index * (4 / parts) + $0) }
        return TinyNetwork.Batch(
          inputs: small.flatMap(\.inputs), targets: small.flatMap(\.targets))
      } loss: {
        network.loss($0, $1, noise: 0)
      }
      return ["hidden.weight", "hidden.bias", "output.weight"].flatMap {
        state.parameters[ParameterPath($0)].elements
      }
    }
    let (split, whole) = (try end(parts: 4), try end(parts: 1))
    #expect(whole != network.store["hidden.weight"].elements)
    for (a, b) in zip(split, whole) { #expect(abs(a - b) < 1e-5) }
  }
}
