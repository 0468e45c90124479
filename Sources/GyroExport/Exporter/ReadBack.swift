public import Foundation

/// A model as a file or folder gives it back, and who could read it.
public struct ReadBack: Sendable {
  public let source: URL
  /// Nil for a checkpoint in this project's own layout.
  public let exporter: (any CheckpointExporter)?
  public let model: ShippedModel

  /// Reads a checkpoint or an export in any layout that can be read.
  /// - Throws: ``ExportError/unrecognized(path:known:)`` and what reading throws.
  public init(_ source: URL) throws {
    self.source = source
    exporter = Exporters.recognizing(source)
    if let exporter {
      model = try exporter.read(from: source)
      return
    }
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: source.path, isDirectory: &isFolder)
    guard !exists || isFolder.boolValue else {
      throw ExportError.unrecognized(
        path: source.relativePath, known: Exporters.all.map(\.name))
    }
    model = try ShippedModel(contentsOf: source)
  }
}
