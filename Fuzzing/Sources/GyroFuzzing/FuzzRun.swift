import GyroCheckpoints
import GyroExperiments
import GyroExport
import GyroModels
import GyroQuantization
import GyroText

/// Feeds inputs to one target and ends the process at the first that breaks the law.
public final class FuzzRun: @unchecked Sendable {
  private let target: FuzzTarget
  public var name: String { target.name }
  private let folder: ScratchFolder
  private var peak = 0
  public private(set) var taken = 0
  public private(set) var refused = 0

  public init(_ target: FuzzTarget, in folder: ScratchFolder) {
    self.target = target
    self.folder = folder
  }

  /// Reads one input.
  public func callAsFunction(_ input: [UInt8]) {
    let started = Limits.processorSeconds
    peak = max(peak, Limits.peakBytes)
    do {
      try target.read(input, folder)
      taken += 1
    } catch {
      guard Self.isOwn(error) else {
        fatalError("\(target.name): refused with an error of type \(type(of: error)): \(error)")
      }
      // Whoever reads the message has to pay for it too.
      precondition("\(error)".utf8.count < 1 << 20, "\(target.name): a message beyond 1 MiB")
      refused += 1
    }
    let seconds = Limits.processorSeconds - started
    precondition(seconds < Limits.seconds, "\(target.name): \(seconds) s for one input")
    let grown = Limits.peakBytes - peak
    precondition(
      taken + refused < 100 || grown < Limits.residentBytes,
      "\(target.name): \(grown >> 20) MiB for one input")
  }

  private static func isOwn(_ error: any Error) -> Bool {
    switch error {
    case is CheckpointError, is ConfigurationError, is TokenizerError, is QuantizationError,
      is RecipeError, is ExportError, is FileError, is ExperimentError:
      true
    default: false
    }
  }
}
