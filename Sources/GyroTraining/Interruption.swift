public import Foundation
import Synchronization

/// A polite request to stop, made by a signal or by the program. The trainer looks at it between
/// steps, saves and throws `TrainingError.interrupted`.
public final class Interruption: Sendable {
  private let flag = Atomic<Bool>(false)
  private let signals: [Int32]

  /// An interruption that only the program asks for.
  public init() { signals = [] }

  private init(listeningTo signals: [Int32]) { self.signals = signals }

  /// An interruption that the first of the signals asks for; the next one ends the process at once,
  /// as if nobody listened. Signals belong to the whole process, so at most one interruption should
  /// listen at a time.
  public static func onSignals(_ signals: [Int32] = [SIGINT, SIGTERM]) -> Interruption {
    // A plain handler rather than a dispatch source: on Linux those leave the signal blocked in the
    // thread that received it, and a second Ctrl-C would be lost.
    signalArrived.store(false, ordering: .sequentiallyConsistent)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = receive
    action.sa_flags = SA_RESTART
    for number in signals { sigaction(number, &action, nil) }
    return Interruption(listeningTo: signals)
  }

  /// Whether somebody asked to stop.
  public var isRequested: Bool {
    flag.load(ordering: .acquiring)
      || (!signals.isEmpty && signalArrived.load(ordering: .acquiring))
  }

  /// Asks to stop.
  public func request() { flag.store(true, ordering: .releasing) }

  /// Signals do again what they do by default.
  deinit { for number in signals { signal(number, SIG_DFL) } }
}

/// What the handler writes: a signal handler can reach nothing but a global.
private let signalArrived = Atomic<Bool>(false)

private let receive: @convention(c) (Int32) -> Void = { number in
  if signalArrived.exchange(true, ordering: .sequentiallyConsistent) {
    signal(number, SIG_DFL)
    raise(number)  // delivered when this handler returns
  }
}
