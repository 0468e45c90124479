public import Foundation
public import GyroCheckpoints

/// Writes a model in a layout that other runtimes load, and reads it back.
///
/// Laws, for every conformer: codes and scales are those of the model, never quantized again; where
/// `fidelity` says `exact` of all demands, `read` of what `write` wrote gives equal codes, scales and
/// values, bit for bit; a failed write leaves what was there before.
public protocol CheckpointExporter: Sendable {
  /// The name on the command line, e.g. `gguf`.
  var name: String { get }
  /// One line: what it writes.
  var summary: String { get }
  /// Who loads it.
  var runtimes: String { get }
  /// Storage types that `ExportOptions.storage` may name, beside the automatic choice.
  var storages: [String] { get }

  /// What the file keeps of one demand: a law about all numbers, known before any is looked at.
  func fidelity(of demand: ExportDemand, _ options: ExportOptions) -> Fidelity

  /// Writes the model.
  ///
  /// - Parameter destination: a folder, or a file where the format is one file (`writesFolder`).
  /// - Throws: ``ExportError``; `FileError` and `CheckpointError` when files cannot be written.
  func write(
    _ model: ShippedModel, to destination: URL, _ options: ExportOptions
  ) throws -> ExportReport

  /// Reads what this or another program wrote in the layout: codes where there are codes, with the
  /// scheme where the file holds it.
  ///
  /// - Throws: ``ExportError``, `CheckpointError`, and what the configuration is found to be.
  func read(from source: URL) throws -> ShippedModel

  /// Whether a file or folder is in this layout, by a quick look.
  func recognizes(_ source: URL) -> Bool

  /// Whether the destination is a folder.
  var writesFolder: Bool { get }
}

/// Choices for one export.
public struct ExportOptions: Sendable {
  /// The type of tensors without codes; nil for the narrowest of BF16, F16 and F32 that holds all of
  /// them exactly.
  public var floatType: ScalarType?
  /// A storage type of the format for all quantized weights, e.g. `q4_k`; nil for the best one for
  /// each.
  public var storage: String?
  /// Whether numbers may change.
  public var allowsLoss: Bool
  /// Told how many bytes of how many are written.
  public var progress: @Sendable (_ done: Int, _ total: Int) -> Void

  public init(
    floatType: ScalarType? = nil, storage: String? = nil, allowsLoss: Bool = false,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) {
    self.floatType = floatType
    self.storage = storage
    self.allowsLoss = allowsLoss
    self.progress = progress
  }
}
