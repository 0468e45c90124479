import Dispatch
public import Foundation
import Synchronization

/// A polite request to stop, made by a signal or by the program. The trainer looks at it between
/// steps, saves and throws `TrainingError.interrupted`.
public final class Interruption: Sendable {
  private let flag = Atomic<Bool>(false)
  private let sources = Mutex<[any DispatchSourceSignal]>([])

  public init() {}

  /// Whether somebody asked to stop.
  public var isRequested: Bool { flag.load(ordering: .acquiring) }

  /// Asks to stop.
  public func request() { flag.store(true, ordering: .releasing) }

  /// An interruption that the first of the signals asks for. The second one ends the process at
  /// once, as if nobody listened. Listening ends with `ignoreSignals()`.
  public static func onSignals(
    _ signals: [Int32] = [SIGINT, SIGTERM], notice: (@Sendable (Int32) -> Void)? = nil
  ) -> Interruption {
    let interruption = Interruption()
    let queue = DispatchQueue(label: "gyro.interruption")
    interruption.sources.withLock { sources in
      sources = signals.map { number in
        signal(number, SIG_IGN)  // the source hears of it all the same
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        source.setEventHandler { [weak interruption] in
          for number in signals { signal(number, SIG_DFL) }
          interruption?.request()
          notice?(number)
        }
        source.activate()
        return source
      }
    }
    return interruption
  }

  /// Stops listening: signals do again what they do by default.
  public func ignoreSignals() {
    sources.withLock { sources in
      for source in sources {
        source.cancel()
        signal(Int32(source.handle), SIG_DFL)
      }
      sources = []
    }
  }

  deinit { ignoreSignals() }
}
