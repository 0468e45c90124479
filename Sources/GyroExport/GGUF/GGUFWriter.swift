import Foundation
import GyroCheckpoints

/// Collects metadata and tensors, then writes them as a GGUF file of version 3, one tensor at a
/// time; the file appears complete or not at all.
struct GGUFWriter {
  static let alignment = 32

  private struct Item {
    let name: String
    let extents: [Int]
    let type: GGUFType
    let byteCount: Int
    let write: (AtomicFile) throws -> Void
    /// Bytes it takes in the file, up to the next tensor.
    var paddedCount: Int { GGUFWriter.padded(byteCount) }
  }

  var metadata = GGUFMetadata()
  private var items: [Item] = []

  /// Bytes of all tensors added so far.
  var byteCount: Int { items.reduce(0) { $0 + $1.byteCount } }

  /// Adds a tensor whose bytes are made when its turn comes.
  /// - Parameter extents: outermost first.
  mutating func add(
    _ name: String, _ extents: [Int], _ type: GGUFType,
    write: @escaping (AtomicFile) throws -> Void
  ) {
    precondition(
      name.utf8.count < 64 && (extents.last ?? 1).isMultiple(of: type.blockSize),
      "GGUFWriter: \(name) \(extents) as \(type.name)")
    items.append(
      Item(
        name: name, extents: extents, type: type,
        byteCount: extents.reduce(1, *) / type.blockSize * type.blockBytes, write: write))
  }

  /// Writes everything.
  /// - Throws: `FileError` when the file cannot be written, and what making a tensor's bytes throws;
  ///   what was there before then stays.
  func write(to url: URL, progress: (_ done: Int, _ total: Int) -> Void) throws {
    let file = try AtomicFile(replacing: url)
    try file.write(head)
    var done = 0
    for item in items {
      try item.write(file)
      try file.write([UInt8](repeating: 0, count: item.paddedCount - item.byteCount))
      done += item.byteCount
      progress(done, byteCount)
    }
    try file.commit()
  }

  private static func padded(_ count: Int) -> Int {
    (count + alignment - 1) / alignment * alignment
  }

  private var head: [UInt8] {
    var bytes = GGUFFile.magic + littleEndian(UInt32(3))
    bytes += littleEndian(UInt64(items.count)) + littleEndian(UInt64(metadata.entries.count))
    for (key, value) in metadata.entries {
      bytes += GGUFValue.counted(Array(key.utf8)) + value.bytes
    }
    var offset = 0
    for item in items {
      bytes += GGUFValue.counted(Array(item.name.utf8)) + littleEndian(UInt32(item.extents.count))
      for extent in item.extents.reversed() { bytes += littleEndian(UInt64(extent)) }
      bytes += littleEndian(item.type.rawValue) + littleEndian(UInt64(offset))
      offset += item.paddedCount
    }
    return bytes + [UInt8](repeating: 0, count: Self.padded(bytes.count) - bytes.count)
  }
}
