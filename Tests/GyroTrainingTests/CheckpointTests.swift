import Foundation
import GyroCheckpoints
import GyroModels
import GyroOptimization
import GyroTensors
import GyroTraining
import Testing

@Suite struct CheckpointTests {
  /// A folder with the last two checkpoints of a run of six steps.
  func written() throws -> (TemporaryDirectory, CheckpointDirectory, TrainingState) {
    let temporary = try TemporaryDirectory()
    let directory = CheckpointDirectory(temporary.url)
    var (network, state) = try TinyRun.state()
    try TinyRun(steps: 6, directory: directory, interval: 2)(network, &state)
    return (temporary, directory, state)
  }

  @Test("The last two checkpoints are kept; other files are left alone")
  func retention() throws {
    let (temporary, directory, state) = try written()
    #expect(
      directory.checkpoints.map(\.lastPathComponent)
        == ["step-00000006.safetensors", "step-00000004.safetensors"])
    #expect(state.checkpoint == directory.checkpoints[0])
    let note = temporary.url.appendingPathComponent("step-notes.safetensors")
    try Data("mine".utf8).write(to: note)
    try directory.removeAll()
    #expect(directory.checkpoints.isEmpty)
    #expect(FileManager.default.fileExists(atPath: note.path))
  }

  @Test("A state survives the file bit for bit, extra tensors and notes included")
  func roundTrip() throws {
    var (temporary, directory, state) = try written()
    state.extra = [
      "range": Tensor([2, 2], elements: [.nan, -0.0, .infinity, .leastNonzeroMagnitude])
    ]
    state.notes = ["recipe": "a \"quoted\" name\nin two lines, é"]
    state.best = BestResult(score: 0.1 + 0.2, step: 4)
    let file = try directory.write(state)
    var (_, restored) = try TinyRun.state(initialization: 9)
    try TrainingCheckpoint.read(file, into: &restored)
    #expect(bits(of: restored) == bits(of: state))
    #expect(restored.notes == state.notes)
    #expect(restored.best?.score == 0.1 + 0.2 && restored.best?.parameters == nil)
    withExtendedLifetime(temporary) {}
  }

  @Test("A cut newest checkpoint falls back to the one before, with a warning")
  func truncated() throws {
    let (temporary, directory, _) = try written()
    let newest = directory.checkpoints[0]
    let bytes = try Data(contentsOf: newest)
    for length in [0, 7, 100, bytes.count - 1] {
      try bytes.prefix(length).write(to: newest)
      var (_, state) = try TinyRun.state()
      var warnings: [String] = []
      try directory.restore(&state) { warnings.append($0) }
      #expect(state.step == 4)
      #expect(warnings.count == 1)
      #expect(warnings[0].hasPrefix("the training checkpoint \(newest.path) is damaged: "))
      #expect(warnings[0].hasSuffix("; trying the one before"))
    }
    withExtendedLifetime(temporary) {}
  }

  @Test("One changed bit anywhere is noticed")
  func flipped() throws {
    let (temporary, directory, _) = try written()
    let newest = directory.checkpoints[0]
    let bytes = try Data(contentsOf: newest)
    for place in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 60)) {
      var changed = bytes
      changed[place] ^= 0x10
      try changed.write(to: newest)
      var (_, state) = try TinyRun.state()
      try directory.restore(&state)
      // A bit in the padding or in a key nobody reads may pass; then the state is the written one.
      #expect(state.step == 4 || state.step == 6)
      if state.step == 6 { #expect(place < 4096) }
    }
    withExtendedLifetime(temporary) {}
  }

  @Test("When every checkpoint is damaged, restoring throws and the state stays")
  func allDamaged() throws {
    let (temporary, directory, _) = try written()
    for file in directory.checkpoints { try Data("no".utf8).write(to: file) }
    var (_, state) = try TinyRun.state()
    let before = bits(of: state)
    #expect(throws: TrainingCheckpointError.self) { try directory.restore(&state) }
    #expect(bits(of: state) == before)
    withExtendedLifetime(temporary) {}
  }

  @Test("An empty or missing folder restores nothing")
  func empty() throws {
    var (_, state) = try TinyRun.state()
    let nowhere = CheckpointDirectory(URL(fileURLWithPath: "/nonexistent/gyro"))
    #expect(try nowhere.restore(&state) == nil)
    #expect(state.step == 0)
  }

  @Test("A checkpoint of other settings throws with both values, and is not passed over")
  func mismatch() throws {
    let temporary = try TemporaryDirectory()
    var (network, state) = try TinyRun.state()
    let run = TinyRun(steps: 2)
    let directory = CheckpointDirectory(temporary.url, fingerprints: run.options.fingerprints)
    try TinyRun(steps: 2, directory: directory, interval: 1)(network, &state)

    var other = run
    other.schedule = try Schedule(peak: 0.5, steps: 12)
    var (_, fresh) = try TinyRun.state()
    let error = #expect(throws: TrainingCheckpointError.self) {
      try CheckpointDirectory(temporary.url, fingerprints: other.options.fingerprints)
        .restore(&fresh)
    }
    #expect(
      error?.description
        == "the training checkpoint \(directory.checkpoints[0].path) belongs to another run: the "
        + "schedule is 'cosine 0.05 to 0.001 over 12 steps, warm-up 3' there and 'constant 0.5, "
        + "warm-up 0' here. Resume with the settings it was written with, or start afresh in "
        + "another folder.")

    var reseeded = TrainingState(
      parameters: fresh.parameters, optimizer: fresh.optimizer, seed: 78, averageDecay: 0.9)
    #expect(throws: TrainingCheckpointError.self) { try directory.restore(&reseeded) }
    var averageless = TrainingState(
      parameters: fresh.parameters, optimizer: fresh.optimizer, seed: 77)
    #expect(throws: TrainingCheckpointError.self) { try directory.restore(&averageless) }
    var otherRule = TrainingState(
      parameters: fresh.parameters, optimizer: try Optimizer(SGD(), for: fresh.parameters),
      seed: 77, averageDecay: 0.9)
    #expect(throws: TrainingCheckpointError.self) { try directory.restore(&otherRule) }
  }

  @Test("A checkpoint of another model throws, naming the parameter and both shapes")
  func otherModel() throws {
    let temporary = try TemporaryDirectory()
    func state(_ width: Int) throws -> TrainingState {
      var store = ParameterStore()
      store.declare("w", .ones([2, width]), kind: .linear)
      return TrainingState(
        parameters: store, optimizer: try Optimizer([("*", SGD())], for: store), seed: 1)
    }
    let directory = CheckpointDirectory(temporary.url)
    let file = try directory.write(state(3))
    var other = try state(4)
    #expect(
      throws: TrainingCheckpointError.mismatch(
        file: file, what: "the shape of w", expected: "[2, 4]", found: "[2, 3]")
    ) { try directory.restore(&other) }
  }

  @Test("A safetensors file that is no training checkpoint is called so")
  func foreign() throws {
    let temporary = try TemporaryDirectory()
    let file = temporary.url.appendingPathComponent("step-00000001.safetensors")
    var writer = SafetensorsWriter()
    writer.add("w", .ones([2]))
    try writer.write(to: file)
    var (_, state) = try TinyRun.state()
    #expect(
      throws: TrainingCheckpointError.damaged(
        file: file, reason: "it holds tensors, but no record of a training run")
    ) { try TrainingCheckpoint.read(file, into: &state) }
  }
}
