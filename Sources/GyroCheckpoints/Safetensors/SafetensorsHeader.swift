import GyroTensors

/// The checked header of a safetensors file: entries in header order, whose ranges tile the data
/// without holes, overlaps or rest.
struct SafetensorsHeader {
  /// The longest header the format allows, in bytes.
  static let maximumByteCount = 100_000_000

  var metadata: [String: String] = [:]
  var entries: [SafetensorsEntry] = []

  /// - Parameters:
  ///   - bytes: the JSON text.
  ///   - dataCount: how many bytes follow the header.
  init(_ bytes: [UInt8], dataCount: Int, file: String) throws(CheckpointError) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw .malformedHeader(
        file: file, byte: 0, expected: "'{'",
        found: bytes.first.map { "byte \($0)" } ?? "an empty header")
    }
    var scanner = try JSONScanner(bytes, file: file)
    var metadata: [String: String] = [:]
    var entries: [SafetensorsEntry] = []
    try scanner.object { (scanner, name) throws(CheckpointError) in
      if name == "__metadata__" {
        try scanner.object { (scanner, key) throws(CheckpointError) in
          metadata[key] = try scanner.string("a string as metadata '\(key)'")
        }
      } else {
        scanner.tensor = name
        entries.append(try Self.entry(&scanner, name))
        scanner.tensor = nil
      }
    }
    try scanner.end()
    self.metadata = metadata
    self.entries = entries
    try Self.checkTiling(entries, dataCount: dataCount, file: file)
  }

  private static func entry(
    _ scanner: inout JSONScanner, _ name: String
  ) throws(CheckpointError) -> SafetensorsEntry {
    var type: ScalarType?
    var extents: [Int]?
    var offsets: [Int]?
    try scanner.object { (scanner, key) throws(CheckpointError) in
      switch key {
      case "dtype":
        let text = try scanner.string()
        type = ScalarType(rawValue: text)
        if type == nil {
          let known = ScalarType.allCases.map(\.rawValue).joined(separator: ", ")
          throw scanner.failure("one of the types \(known)", "'\(text)'")
        }
      case "shape": extents = try counts(&scanner)
      case "data_offsets": offsets = try counts(&scanner)
      default: throw scanner.failure("only dtype, shape and data_offsets", "the key '\(key)'")
      }
    }
    guard let type, let extents, let offsets else {
      throw scanner.failure("dtype, shape and data_offsets", "an entry without all three")
    }
    guard offsets.count == 2 else {
      throw scanner.failure("two data_offsets", "\(offsets.count)")
    }
    guard offsets[0] <= offsets[1] else {
      throw scanner.failure("data that ends after it begins", "data_offsets \(offsets)")
    }
    guard let byteCount = byteCount(extents, type) else {
      throw scanner.failure("a shape whose size can be counted", "\(extents)")
    }
    guard byteCount == offsets[1] - offsets[0] else {
      throw scanner.failure(
        "\(byteCount) bytes for \(type.rawValue) \(extents)",
        "\(offsets[1] - offsets[0]) between the data_offsets \(offsets)")
    }
    return SafetensorsEntry(
      name: name, type: type, shape: Shape(extents), byteRange: offsets[0]..<offsets[1])
  }

  private static func counts(_ scanner: inout JSONScanner) throws(CheckpointError) -> [Int] {
    var values: [Int] = []
    try scanner.array { (scanner) throws(CheckpointError) in values.append(try scanner.count()) }
    return values
  }

  /// Bytes of a tensor, or nil on overflow. The product of the extents other than 0 is checked as
  /// well, because strides are made of it even when the tensor is empty.
  private static func byteCount(_ extents: [Int], _ type: ScalarType) -> Int? {
    var product = type.byteCount
    for extent in extents where extent != 0 {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      product = next
    }
    return extents.contains(0) ? 0 : product
  }

  private static func checkTiling(
    _ entries: [SafetensorsEntry], dataCount: Int, file: String
  ) throws(CheckpointError) {
    let ordered = entries.sorted {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound)
        < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
    }
    var end = 0
    for entry in ordered {
      guard entry.byteRange.lowerBound == end else {
        throw .malformedTensor(
          file: file, tensor: entry.name,
          expected: "data that begins at \(end), where the last ends",
          found: "\(entry.byteRange.lowerBound)")
      }
      guard entry.byteRange.upperBound <= dataCount else {
        throw .malformedTensor(
          file: file, tensor: entry.name, expected: "data inside the file's \(dataCount) bytes",
          found: "an end at \(entry.byteRange.upperBound)")
      }
      end = entry.byteRange.upperBound
    }
    guard end == dataCount else {
      throw .malformedHeader(
        file: file, byte: nil, expected: "\(end) bytes of data after the header",
        found: "\(dataCount)")
    }
  }
}
