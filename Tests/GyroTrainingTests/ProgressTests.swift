import Foundation
import GyroModels
import GyroTraining
import Testing

@Suite struct ProgressTests {
  /// Text written about a run of `count` steps of one second each.
  func text(
    _ style: ProgressReporter.Style, count: Int, of steps: Int, secondsPerStep: Double = 1
  ) throws -> String {
    var (text, now) = ("", 0.0)
    let reporter = ProgressReporter(style: style, clock: { now }, write: { text += $0 })
    var (_, state) = try TinyRun.state()
    for step in 1...count {
      now += secondsPerStep
      let metrics = StepMetrics(
        step: step, steps: steps, loss: 3.21404, gradientNorm: 1, clippingFactor: 1, rate: 9.1e-5,
        items: 12300, seconds: secondsPerStep, residentBytes: 412 << 20)
      _ = reporter.handle(.stepped(metrics), &state)
    }
    _ = reporter.handle(.ending(.finished), &state)
    return text
  }

  @Test("Without a terminal there is a plain line every few seconds, and one for the last step")
  func plain() throws {
    #expect(
      try text(.plain(seconds: 5), count: 8, of: 8) == """
        train 1/8  loss 3.2140  rate 9.1e-5  12.3k tokens/s  412 MiB  0:07 left
        train 6/8  loss 3.2140  rate 9.1e-5  12.3k tokens/s  412 MiB  0:02 left
        train 8/8  loss 3.2140  rate 9.1e-5  12.3k tokens/s  412 MiB  0:00 left

        """)
  }

  @Test("On a terminal one line is written over")
  func live() throws {
    #expect(
      try text(.live(columns: 120, color: false), count: 1, of: 4)
        == "\rtrain [######------------------] 1/4  loss 3.2140  rate 9.1e-5  12.3k tokens/s  "
        + "412 MiB  0:03 left\u{1B}[K\n")
    #expect(
      try text(.live(columns: 120, color: true), count: 1, of: 4)
        .contains("[\u{1B}[32m######\u{1B}[0m------------------]"))
  }

  @Test("A line never exceeds the columns there are", arguments: [20, 40, 60, 80, 100])
  func narrow(columns: Int) throws {
    let line = try text(.live(columns: columns, color: false), count: 1, of: 4)
      .replacingOccurrences(of: "\u{1B}[K\n", with: "").dropFirst()
    #expect(line.count < columns)
  }

  @Test("Fast steps do not flood the terminal")
  func limited() throws {
    let text = try text(
      .live(columns: 80, color: false), count: 1000, of: 1000, secondsPerStep: 0.001)
    #expect(text.filter { $0 == "\r" }.count <= 12)
  }

  @Test("Memory figures come from the system")
  func memory() {
    #expect(ResidentMemory.current > 1 << 20)
    #expect(ResidentMemory.peak >= ResidentMemory.current / 2)
  }

  @Test("A resumed run leaves the metrics file of an uninterrupted one")
  func metricsFile() throws {
    let temporary = try TemporaryDirectory()
    func url(_ name: String) -> URL { temporary.url.appendingPathComponent(name) }
    func lines(_ name: String) throws -> [String] {
      // Losses and rates repeat exactly; times and memory do not.
      try String(contentsOf: url(name), encoding: .utf8).split(separator: "\n").map { line in
        String(line.prefix(while: { $0 != "}" }).split(separator: ",\"items_per_second")[0])
      }
    }
    func evaluation() -> EvaluationCallback { EvaluationCallback(every: 2) { _ in ["loss": 2] } }
    var (network, state) = try TinyRun.state()
    let start = state
    try TinyRun(steps: 6)(
      network, &state, callbacks: [MetricsFileCallback(url("whole")), evaluation()])
    #expect(try lines("whole").count == 6 + 3)
    #expect(try lines("whole")[2] == "{\"step\":2,\"evaluation.loss\":2.0")

    let directory = CheckpointDirectory(url("checkpoints"))
    let killer = Recorder { event, _ in
      if case .stepped(let metrics) = event, metrics.step == 4 { throw CancellationError() }
    }
    var first = start
    #expect(throws: CancellationError.self) {
      try TinyRun(steps: 6, directory: directory, interval: 3)(
        network, &first, callbacks: [MetricsFileCallback(url("split")), evaluation(), killer])
    }
    var second = start
    try directory.restore(&second)
    #expect(second.step == 3)
    try TinyRun(steps: 6)(
      network, &second, callbacks: [MetricsFileCallback(url("split")), evaluation()])
    #expect(try lines("split") == lines("whole"))
  }

  @Test("TensorBoard gets an event file per start of the run")
  func tensorBoard() throws {
    let temporary = try TemporaryDirectory()
    var (network, state) = try TinyRun.state()
    for steps in [2, 4] {
      try TinyRun(steps: steps)(
        network, &state, callbacks: [TensorBoardCallback(temporary.url)])
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: temporary.url.path)
    #expect(files.count == 2)
    #expect(files.allSatisfy { $0.hasPrefix("events.out.tfevents.") })
  }
}
