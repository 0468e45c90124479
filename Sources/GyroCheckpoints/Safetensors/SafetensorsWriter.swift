public import Foundation
public import GyroTensors

/// Collects tensors, then writes them as a safetensors file, one at a time: a tensor handed over
/// as a closure exists only while it is written.
///
/// Data lie in the order of addition, wider types first, so that every tensor is aligned for its
/// type. The file is written beside the target and renamed when it is complete and on the disk
/// (see ``AtomicFile``). The same additions give the same bytes.
public struct SafetensorsWriter {
  private enum Source {
    case tensor(() throws -> Tensor)
    case bytes(() throws -> [UInt8])
    case integers([Int64])
  }

  private struct Item {
    let name: String
    let type: ScalarType
    let shape: Shape
    let source: Source
    var byteCount: Int { shape.count * type.byteCount }
  }

  /// The header's `__metadata__`.
  public var metadata: [String: String]
  /// Told after each tensor how many bytes of how many are written.
  public var progress: @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  private var items: [Item] = []

  /// - Parameter metadata: what other readers look for is `format`: `pt`, or `mlx`.
  public init(metadata: [String: String] = ["format": "pt"]) { self.metadata = metadata }

  /// The names added so far.
  public var names: [String] { items.map(\.name) }

  /// Bytes of data of everything added so far.
  public var byteCount: Int { items.reduce(0) { $0 + $1.byteCount } }

  // MARK: Adding

  /// Adds a tensor, to be rounded to `type` by the rules of ``ScalarType`` when it is written.
  public mutating func add(_ name: String, _ tensor: Tensor, as type: ScalarType = .float32) {
    add(name, shape: tensor.shape, as: type) { tensor }
  }

  /// Adds a tensor of known shape that is made when its turn to be written comes.
  public mutating func add(
    _ name: String, shape: Shape, as type: ScalarType = .float32,
    producing tensor: @escaping () throws -> Tensor
  ) {
    items.append(Item(name: name, type: type, shape: shape, source: .tensor(tensor)))
  }

  /// Adds bytes as they are: `shape.count · type.byteCount` of them, little-endian, row-major.
  public mutating func add(_ name: String, shape: Shape, type: ScalarType, bytes: [UInt8]) {
    precondition(
      bytes.count == shape.count * type.byteCount,
      "SafetensorsWriter: \(name) \(type.rawValue) \(shape) takes "
        + "\(shape.count * type.byteCount) bytes, \(bytes.count) were given")
    items.append(Item(name: name, type: type, shape: shape, source: .bytes({ bytes })))
  }

  /// Adds bytes that are made when their turn to be written comes, as many as the shape takes.
  public mutating func add(
    _ name: String, shape: Shape, type: ScalarType,
    producingBytes bytes: @escaping () throws -> [UInt8]
  ) {
    items.append(Item(name: name, type: type, shape: shape, source: .bytes(bytes)))
  }

  /// Adds whole numbers of an integer type or BOOL, in row-major order.
  public mutating func add(
    _ name: String, shape: Shape, type: ScalarType, integers: [Int64]
  ) {
    precondition(
      integers.count == shape.count && !type.isFloatingPoint,
      "SafetensorsWriter: \(integers.count) whole numbers do not make \(type.rawValue) \(shape)")
    items.append(Item(name: name, type: type, shape: shape, source: .integers(integers)))
  }

  // MARK: Writing

  /// Writes everything to one file, which appears complete or not at all.
  ///
  /// - Throws: ``FileError`` when the file cannot be written; ``CheckpointError`` for a name added
  ///   twice, the name `__metadata__`, or a value that an integer type does not hold; whatever a
  ///   closure throws. The previous file then stays as it was.
  public func write(to url: URL) throws {
    try checkNames(url.path)
    var done = 0
    try prepare(items, url, &done).commit()
  }

  /// Writes `model.safetensors` into a folder, or, when the data exceed `maximumShardBytes`,
  /// `model-00001-of-0000N.safetensors` and so on with `model.safetensors.index.json`, last. Files
  /// of these names that an earlier checkpoint left there and this one lacks are removed.
  ///
  /// - Parameter finishing: called when all data lie in temporary files and nothing of what was
  ///   there before has changed: the place to write what belongs to the weights. Throwing leaves
  ///   the previous weights.
  /// - Returns: The files written.
  /// - Throws: As ``write(to:)``.
  @discardableResult
  public func write(
    toDirectory directory: URL, maximumShardBytes: Int = 5 << 30, finishing: () throws -> Void = {}
  ) throws -> [URL] {
    try checkNames(directory.path)
    let shards = shards(of: maximumShardBytes)
    var map: [String: String] = [:]
    var names: [String] = []
    var files: [AtomicFile] = []
    var done = 0
    for (place, shard) in shards.enumerated() {
      let name =
        shards.count == 1
        ? "model.safetensors"
        : "model-\(padded(place + 1))-of-\(padded(shards.count)).safetensors"
      files.append(try prepare(shard, directory.appendingPathComponent(name), &done))
      names.append(name)
      for item in shard { map[item.name] = name }
    }
    try finishing()
    for file in files { try file.commit() }
    if shards.count > 1 {
      let index = SafetensorsIndex(totalByteCount: byteCount, files: map)
      names.append(SafetensorsIndex.fileName)
      try AtomicFile.write(
        index.json, to: directory.appendingPathComponent(SafetensorsIndex.fileName))
    }
    Self.removeStale(directory, keeping: names)
    return names.map { directory.appendingPathComponent($0) }
  }

  private func shards(of maximumBytes: Int) -> [[Item]] {
    var shards: [[Item]] = [[]]
    var size = 0
    for item in items {
      if size + item.byteCount > maximumBytes, !shards[shards.count - 1].isEmpty {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(item)
      size += item.byteCount
    }
    return shards
  }

  private func padded(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)"
  }

  /// Some readers take every weight file of a folder, whatever the index says.
  private static func removeStale(_ directory: URL, keeping names: [String]) {
    let manager = FileManager.default
    let shard = /model-\d{5,}-of-\d{5,}\.safetensors/
    for name in (try? manager.contentsOfDirectory(atPath: directory.path)) ?? [] {
      let isOurs =
        name == "model.safetensors" || name == SafetensorsIndex.fileName
        || name.wholeMatch(of: shard) != nil
      guard isOurs, !names.contains(name) else { continue }
      try? manager.removeItem(at: directory.appendingPathComponent(name))
    }
  }

  private func checkNames(_ path: String) throws(CheckpointError) {
    var seen: Set<String> = ["__metadata__"]
    for item in items where !seen.insert(item.name).inserted {
      throw .duplicateName(file: path, name: item.name)
    }
  }

  /// A complete file that only lacks its name.
  private func prepare(_ items: [Item], _ url: URL, _ done: inout Int) throws -> AtomicFile {
    let widths = [8, 4, 2, 1]
    let ordered = widths.flatMap { width in items.filter { $0.type.byteCount == width } }
    let file = try AtomicFile(replacing: url)
    try file.write(Self.header(ordered, metadata))
    let total = byteCount
    for item in ordered {
      switch item.source {
      case .bytes(let bytes):
        let bytes = try bytes()
        precondition(
          bytes.count == item.byteCount,
          "SafetensorsWriter: \(item.name) takes \(item.byteCount) bytes, \(bytes.count) came")
        try file.write(bytes)
      case .integers(let values):
        try file.write(try Self.encoded(values, item))
      case .tensor(let tensor):
        let tensor = try tensor()
        precondition(
          tensor.shape == item.shape,
          "SafetensorsWriter: \(item.name) was declared \(item.shape), but is \(tensor.shape)")
        try Self.write(tensor, item, to: file)
      }
      done += item.byteCount
      progress(done, total)
    }
    return file
  }

  private static func header(_ items: [Item], _ metadata: [String: String]) -> [UInt8] {
    var parts: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
        .map { jsonQuoted($0.key) + ":" + jsonQuoted($0.value) }
      parts.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
    }
    var offset = 0
    for item in items {
      let extents = item.shape.dimensions.map(String.init).joined(separator: ",")
      parts.append(
        jsonQuoted(item.name) + ":{\"dtype\":\"\(item.type.rawValue)\",\"shape\":[\(extents)],"
          + "\"data_offsets\":[\(offset),\(offset + item.byteCount)]}")
      offset += item.byteCount
    }
    var text = Array(("{" + parts.joined(separator: ",") + "}").utf8)
    while text.count % 8 != 0 { text.append(0x20) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }

  private static func encoded(_ values: [Int64], _ item: Item) throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: item.byteCount)
    let bad = bytes.withUnsafeMutableBytes { raw in
      values.indices.first { place in
        !item.type.store(Int128(values[place]), at: place, in: raw.baseAddress!)
      }
    }
    if let bad { throw unrepresentable("\(values[bad])", item) }
    return bytes
  }

  /// Converts piece by piece, and copies what has the type already.
  private static func write(_ tensor: Tensor, _ item: Item, to file: AtomicFile) throws {
    if let halves = tensor.halfElements, halves.format == item.type.halfFormat {
      return try withExtendedLifetime(halves) {
        try file.write(UnsafeRawBufferPointer(start: halves.bits.pointer, count: item.byteCount))
      }
    }
    let length = 1 << 20
    let scratch = PooledBuffer(byteCount: min(item.shape.count, length) * item.type.byteCount)
    try tensor.forEachPiece(of: length) { piece in
      if item.type == .float32 { return try file.write(UnsafeRawBufferPointer(piece)) }
      if let bad = item.type.encode(piece.baseAddress!, count: piece.count, into: scratch.pointer) {
        throw unrepresentable("\(piece[bad])", item)
      }
      try file.write(
        UnsafeRawBufferPointer(
          start: scratch.pointer, count: piece.count * item.type.byteCount))
    }
  }

  private static func unrepresentable(_ value: String, _ item: Item) -> CheckpointError {
    .unrepresentableValue(tensor: item.name, type: item.type.rawValue, value: value)
  }
}

/// `text` as a JSON string.
package func jsonQuoted(_ text: String) -> String {
  var quoted = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": quoted += "\\\""
    case "\\": quoted += "\\\\"
    case "\n": quoted += "\\n"
    case "\t": quoted += "\\t"
    case "\r": quoted += "\\r"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: quoted.unicodeScalars.append(scalar)
    }
  }
  return quoted + "\""
}
