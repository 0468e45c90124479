import Foundation

/// Tells a person how a run goes, on standard error: one live line on a terminal, otherwise a plain
/// line every few seconds.
///
/// ```
/// train [###########-------------] 140/300  loss 3.2140  rate 9.1e-5  12.3k tokens/s  412 MiB  0:42 left
/// ```
public final class ProgressReporter: TrainingCallback {
  /// How progress is shown.
  public enum Style: Sendable, Equatable {
    /// One line that is written over, at most so many columns wide.
    case live(columns: Int, color: Bool)
    /// A new line every so many seconds.
    case plain(seconds: Double)

    /// What suits standard error: live on a terminal, colored unless `NO_COLOR` is set.
    public static var automatic: Style {
      let environment = ProcessInfo.processInfo.environment
      guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb" else {
        return .plain(seconds: 5)
      }
      var window = winsize()
      let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0
      return .live(
        columns: known ? Int(window.ws_col) : 80,
        color: (environment["NO_COLOR"] ?? "").isEmpty)
    }
  }

  private let label: String
  private let unit: String
  private let style: Style
  private let clock: () -> Double
  private let write: (String) -> Void
  private var pace = ProgressPace()
  private var lastShown = -Double.infinity
  private var isLineOpen = false

  /// - Parameters:
  ///   - label: what the run is called.
  ///   - unit: what is counted, e.g. `tokens`.
  ///   - style: chosen by looking at standard error when nil.
  ///   - clock: seconds since some moment.
  ///   - write: receives the text; standard error when omitted.
  public init(
    label: String = "train", unit: String = "tokens", style: Style? = nil,
    clock: @escaping () -> Double = systemSeconds,
    write: @escaping (String) -> Void = writeToStandardError
  ) {
    self.label = label
    self.unit = unit
    self.style = style ?? .automatic
    self.clock = clock
    self.write = write
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) -> TrainingEvent? {
    switch event {
    case .began(let step, _):
      if step > 0 { say("\(label): resumed after step \(step)") }
    case .stepped(let metrics):
      pace.add(metrics)
      show(metrics)
    case .skipped(let step, let fault):
      say("\(label): step \(step) skipped: \(fault)")
    case .evaluated(let evaluation):
      let figures = evaluation.figures.sorted { $0.key < $1.key }
        .map { "\($0.key) \(formatted($0.value))" }
      say(
        "\(label): step \(evaluation.step) evaluated: \(figures.joined(separator: ", "))"
          + (evaluation.isBest ? " (best so far)" : ""))
    case .advised(let advice):
      for item in advice { say("\(label): step \(item.step): \(item)") }
    case .checkpointed(let url):
      // A live bar need not be torn apart by every routine save.
      if case .plain = style { say("\(label): saved \(url.path)") }
    case .ending(.finished), .finished:
      closeLine()
    case .ending(.interrupted):
      say("\(label): interrupted after step \(state.step), saving")
    case .interrupted, .failed:
      closeLine()
    }
    return nil
  }

  private func show(_ metrics: StepMetrics) {
    let now = clock()
    let isLast = metrics.step == metrics.steps
    switch style {
    case .live(let columns, let color):
      guard isLast || now - lastShown >= 0.1 else { return }
      let line = ProgressLine(label: label, unit: unit, metrics: metrics, pace: pace)
      write("\r" + line.live(columns: columns, color: color) + "\u{1B}[K")
      isLineOpen = true
    case .plain(let seconds):
      guard isLast || now - lastShown >= seconds else { return }
      write(ProgressLine(label: label, unit: unit, metrics: metrics, pace: pace).plain + "\n")
    }
    lastShown = now
  }

  /// Writes a line that stays.
  private func say(_ text: String) {
    write((isLineOpen ? "\r\u{1B}[K" : "") + text + "\n")
    isLineOpen = false
  }

  private func closeLine() {
    if isLineOpen { write("\n") }
    isLineOpen = false
  }
}

/// Writes text to standard error at once; what cannot be written is dropped.
public func writeToStandardError(_ text: String) {
  let bytes = Array(text.utf8)
  var done = 0
  while done < bytes.count {
    let written = bytes.withUnsafeBytes {
      Foundation.write(STDERR_FILENO, $0.baseAddress! + done, bytes.count - done)
    }
    if written < 0, errno == EINTR { continue }
    guard written > 0 else { return }
    done += written
  }
}

/// Smoothed speed: recent steps count most.
struct ProgressPace {
  private(set) var secondsPerStep = 0.0
  private(set) var itemsPerSecond = 0.0
  private var weight = 0.0, seconds = 0.0, items = 0.0

  mutating func add(_ metrics: StepMetrics) {
    weight = weight * 0.9 + 1
    seconds = seconds * 0.9 + metrics.seconds
    items = items * 0.9 + Double(metrics.items)
    secondsPerStep = seconds / weight
    itemsPerSecond = seconds > 0 ? items / seconds : 0
  }
}
