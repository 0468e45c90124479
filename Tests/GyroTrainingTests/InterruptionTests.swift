import Foundation
import GyroModels
import GyroTraining
import Testing

@Suite struct InterruptionTests {
  @Test("An interrupted run saves, says so, throws, and resumes to the same bits")
  func interrupted() throws {
    let temporary = try TemporaryDirectory()
    let directory = CheckpointDirectory(temporary.url)
    let interruption = Interruption()
    let recorder = Recorder { event, _ in
      if case .stepped(let metrics) = event, metrics.step == 4 { interruption.request() }
    }
    var (network, state) = try TinyRun.state()
    var whole = state
    let error = #expect(throws: TrainingError.self) {
      try TinyRun(directory: directory)(
        network, &state, callbacks: [recorder], interruption: interruption)
    }
    let file = temporary.url.appendingPathComponent("step-00000004.safetensors")
    #expect(error == .interrupted(step: 4, checkpoint: file))
    #expect(
      error?.description == "interrupted after step 4; the state is saved in \(file.path)")
    #expect(
      recorder.names.suffix(4) == [
        "stepped 4", "ending interrupted", "checkpointed step-00000004.safetensors",
        "interrupted 4",
      ])
    var (_, resumed) = try TinyRun.state(initialization: 4)
    try directory.restore(&resumed)
    try TinyRun()(network, &resumed)
    try TinyRun()(network, &whole)
    #expect(bits(of: resumed) == bits(of: whole))
  }

  @Test("The first signal asks to stop")
  func firstSignal() async throws {
    let interruption = Interruption.onSignals([SIGUSR1])
    #expect(!interruption.isRequested)
    kill(getpid(), SIGUSR1)
    for _ in 0..<500 where !interruption.isRequested {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(interruption.isRequested)
  }

  @Test("The second signal ends the process at once", .timeLimit(.minutes(1)))
  func secondSignal() async {
    await #expect(processExitsWith: .signal(SIGINT)) {
      let interruption = Interruption.onSignals()
      kill(getpid(), SIGINT)
      while !interruption.isRequested { usleep(1000) }
      kill(getpid(), SIGINT)
      while true { usleep(1000) }
    }
  }
}
