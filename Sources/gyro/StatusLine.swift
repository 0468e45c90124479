import Foundation
import Synchronization

/// One line on a terminal that says how far work has come; nothing elsewhere.
final class StatusLine: Sendable {
  private let isOn: Bool
  private let shown = Mutex<(isOpen: Bool, time: ContinuousClock.Instant?)>((false, nil))

  init(isOn: Bool) { self.isOn = isOn && Terminal.standardError.isTerminal }

  func show(_ label: String, _ done: Int, _ total: Int) {
    guard isOn, total > 0 else { return }
    shown.withLock { shown in
      let now = ContinuousClock.now
      if let last = shown.time, now - last < .milliseconds(100), done < total { return }
      shown = (true, now)
      let percent = done * 100 / total
      Terminal.standardError.write("\r\(label) \(percent) %\u{1B}[K")
    }
  }

  func clear() {
    shown.withLock { shown in
      if shown.isOpen { Terminal.standardError.write("\r\u{1B}[K") }
      shown = (false, nil)
    }
  }
}
