public import Foundation

/// The exporters by name.
public enum Exporters {
  /// In the order in which a folder or file is tried.
  /// (Plain safetensors last: any Hugging Face folder looks like one.)
  public static let all: [any CheckpointExporter] = [
    CompressedTensorsExporter(), GGUFExporter(), ONNXExporter(), MLXExporter(), PlainExporter(),
  ]

  /// The exporter of a name.
  /// - Throws: ``ExportError/unknownFormat(_:known:)``.
  public static func named(_ name: String) throws(ExportError) -> any CheckpointExporter {
    guard let exporter = all.first(where: { $0.name == name }) else {
      throw .unknownFormat(name, known: all.map(\.name))
    }
    return exporter
  }

  /// The exporter that wrote, or could have written, a file or folder; nil for a checkpoint in this
  /// project's own layout.
  public static func recognizing(_ source: URL) -> (any CheckpointExporter)? {
    all.first { $0.recognizes(source) }
  }
}
