public import Foundation

/// Which file of a sharded checkpoint holds which tensor: `model.safetensors.index.json`.
public struct SafetensorsIndex: Sendable, Equatable {
  /// The name of an index file.
  public static let fileName = "model.safetensors.index.json"

  /// Bytes of data in all shards, as the index states; nil when it does not.
  public var totalByteCount: Int?
  /// Tensor name to file name, a plain name in the index's own folder.
  public var files: [String: String]

  /// - Parameter files: tensor name to file name.
  public init(totalByteCount: Int?, files: [String: String]) {
    self.totalByteCount = totalByteCount
    self.files = files
  }

  /// Reads an index.
  ///
  /// - Throws: ``CheckpointError`` when it cannot be read, is not JSON, names a tensor twice, has no
  ///   `weight_map`, or names a file outside its own folder.
  public init(contentsOf url: URL) throws(CheckpointError) {
    let file = try InputFile(url)
    let path = file.path
    guard file.byteCount <= SafetensorsHeader.maximumByteCount else {
      throw .malformedHeader(
        file: path, byte: nil,
        expected: "an index of at most \(SafetensorsHeader.maximumByteCount) bytes",
        found: "\(file.byteCount)")
    }
    var scanner = try JSONScanner(try file.bytes(at: 0, count: file.byteCount), file: path)
    var total: Int?
    var map: [String: String]?
    try scanner.object { (scanner, key) throws(CheckpointError) in
      switch key {
      case "metadata":
        try scanner.object { (scanner, key) throws(CheckpointError) in
          if key == "total_size" {
            total = try scanner.count()
          } else {
            try scanner.skipValue()
          }
        }
      case "weight_map":
        var found: [String: String] = [:]
        try scanner.object { (scanner, tensor) throws(CheckpointError) in
          let name = try scanner.string("a file name")
          if name.isEmpty || name == "." || name == ".." || name.utf8.contains(0)
            || name.contains("/") || name.contains("\\")
          {
            throw .malformedTensor(
              file: path, tensor: tensor, expected: "a file in the same folder", found: "'\(name)'")
          }
          found[tensor] = name
        }
        map = found
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
    guard let map else {
      throw .malformedHeader(
        file: path, byte: nil, expected: "the key weight_map", found: "an index without it")
    }
    totalByteCount = total
    files = map
  }

  /// The index as JSON text, sorted by name.
  public var json: String {
    let lines = files.sorted { $0.key < $1.key }
      .map { "    \(jsonQuoted($0.key)): \(jsonQuoted($0.value))" }
    return "{\n  \"metadata\": {"
      + (totalByteCount.map { "\"total_size\": \($0)" } ?? "") + "},\n"
      + "  \"weight_map\": {\n" + lines.joined(separator: ",\n") + "\n  }\n}\n"
  }
}
