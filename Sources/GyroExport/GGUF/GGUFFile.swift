import Foundation
import GyroCheckpoints

/// A tensor as the head of a file lists it.
struct GGUFEntry: Sendable {
  let name: String
  /// Extents, outermost first (the file has them the other way round).
  let extents: [Int]
  /// Nil for a type that is not read here.
  let type: GGUFType?
  /// The number of the type, as it stands in the file.
  let typeCode: UInt32
  /// Where its bytes are, from the start of the data.
  let offset: Int
  /// How many bytes; 0 for a type that is not read here.
  let byteCount: Int

  var count: Int { extents.reduce(1, *) }
  var columns: Int { extents.last ?? 1 }
  var rows: Int { extents.dropLast().reduce(1, *) }
  /// Bytes of one row.
  var rowBytes: Int { rows == 0 ? 0 : byteCount / rows }
}

/// A GGUF file (version 2 or 3): `"GGUF" | version | counts | metadata | tensor list | data`, all
/// little-endian.
///
/// Opening reads and checks everything but the data: every count is compared with the bytes that are
/// left before memory is taken, extents are multiplied with care, and tensors lie inside the data,
/// apart from each other. Data are read when asked for.
final class GGUFFile: Sendable {
  let metadata: GGUFMetadata
  let entries: [GGUFEntry]
  private let places: [String: Int]
  private let file: InputFile
  private let dataStart: Int

  var path: String { file.path }

  static let magic = Array("GGUF".utf8)

  /// - Throws: ``ExportError``; `CheckpointError` when the file cannot be read.
  init(contentsOf url: URL) throws {
    file = try InputFile(url)
    var scanner = GGUFScanner(file)
    guard try scanner.bytes(4, "the first bytes") == Self.magic else {
      throw scanner.malformed("the first bytes", "'GGUF'", "others")
    }
    let version: UInt32 = try scanner.integer("the version")
    guard (2...3).contains(version) else {
      throw ExportError.unsupported(
        file: file.path, what: "GGUF version \(version)", supported: "2 and 3, little-endian")
    }
    // The least tensor: an empty name, no extents, type, offset. The least value: key, type, byte.
    let tensorCount = try scanner.count("the number of tensors", itemBytes: 24)
    let valueCount = try scanner.count("the number of metadata values", itemBytes: 13)
    var metadata = GGUFMetadata()
    for index in 0..<valueCount {
      let key = try scanner.text("metadata key \(index)")
      let value = try scanner.value("metadata '\(Self.short(key))'")
      guard metadata.add(key, value) else {
        throw scanner.malformed("metadata", "every key once", "'\(Self.short(key))' twice")
      }
    }
    let alignment = try Self.alignment(metadata, scanner)
    var entries: [GGUFEntry] = []
    var places: [String: Int] = [:]
    for index in 0..<tensorCount {
      let entry = try Self.entry(index, &scanner)
      guard places.updateValue(index, forKey: entry.name) == nil else {
        throw scanner.malformed("the tensor list", "every name once", "'\(entry.name)' twice")
      }
      entries.append(entry)
    }
    let start = (scanner.position + alignment - 1) / alignment * alignment
    try Self.checkRanges(entries, file.byteCount - start, alignment, scanner)
    self.metadata = metadata
    self.entries = entries
    self.places = places
    dataStart = start
  }

  private static func short(_ text: String) -> String { String(text.prefix(80)) }

  private static func alignment(_ metadata: GGUFMetadata, _ scanner: GGUFScanner) throws -> Int {
    guard let value = metadata["general.alignment"] else { return 32 }
    guard let alignment = value.integer, (1...1 << 20).contains(alignment),
      alignment.nonzeroBitCount == 1
    else {
      throw scanner.malformed("general.alignment", "a power of two", "\(value.integer ?? 0)")
    }
    return alignment
  }

  private static func entry(_ index: Int, _ scanner: inout GGUFScanner) throws -> GGUFEntry {
    let name = try scanner.text("the name of tensor \(index)")
    let place = "tensor '\(short(name))'"
    let rank: UInt32 = try scanner.integer(place)
    guard rank <= 4 else { throw scanner.malformed(place, "at most 4 axes", "\(rank)") }
    var extents: [Int] = []
    var count = 1
    for _ in 0..<rank {
      let extent: UInt64 = try scanner.integer(place)
      let product = Int(exactly: extent).map { count.multipliedReportingOverflow(by: $0) }
      guard extent > 0, let product, !product.overflow else {
        throw scanner.malformed(place, "extents whose product fits 63 bits", "\(extent)")
      }
      count = product.partialValue
      extents.insert(Int(extent), at: 0)
    }
    let code: UInt32 = try scanner.integer(place)
    let offset: UInt64 = try scanner.integer(place)
    let type = GGUFType(rawValue: code)
    if let type, !(extents.last ?? 1).isMultiple(of: type.blockSize) {
      throw scanner.malformed(
        place, "rows of a multiple of \(type.blockSize) elements for \(type.name)",
        "\(extents.last ?? 1)")
    }
    guard let offset = Int(exactly: offset), let bytes = type.map({ $0.byteCount(count) }) ?? 0
    else { throw scanner.malformed(place, "a place inside the file", "one far beyond it") }
    return GGUFEntry(
      name: name, extents: extents, type: type, typeCode: code, offset: offset, byteCount: bytes)
  }

  private static func checkRanges(
    _ entries: [GGUFEntry], _ available: Int, _ alignment: Int, _ scanner: GGUFScanner
  ) throws {
    var end = 0
    for entry in entries.sorted(by: { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }) {
      let place = "tensor '\(short(entry.name))'"
      guard entry.offset.isMultiple(of: alignment) else {
        throw scanner.malformed(place, "data at a multiple of \(alignment)", "\(entry.offset)")
      }
      guard entry.offset >= end else {
        throw scanner.malformed(place, "data of its own", "bytes of another tensor")
      }
      guard entry.offset <= available, entry.byteCount <= available - entry.offset else {
        throw scanner.malformed(
          place, "\(entry.byteCount) bytes of data at \(entry.offset)",
          "\(max(available, 0)) bytes of data in all")
      }
      end = entry.offset + entry.byteCount
    }
  }

  // MARK: Data

  /// A tensor of the list; nil when there is none of the name.
  func entry(_ name: String) -> GGUFEntry? { places[name].map { entries[$0] } }

  /// Fills a buffer with rows of a tensor, from row `first` on.
  func read(
    _ entry: GGUFEntry, fromRow first: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws {
    precondition(
      first * entry.rowBytes + buffer.count <= entry.byteCount, "GGUFFile: rows beyond \(entry)")
    try file.read(buffer, at: dataStart + entry.offset + first * entry.rowBytes)
  }

  /// Makes sure that nobody changed the file meanwhile.
  func checkUnchanged() throws { try file.checkUnchanged() }

  func malformed(_ place: String, _ expected: String, _ found: String) -> ExportError {
    .malformed(file: path, place: place, expected: expected, found: found)
  }

  func unsupported(_ what: String, supported: String) -> ExportError {
    .unsupported(file: path, what: what, supported: supported)
  }
}
