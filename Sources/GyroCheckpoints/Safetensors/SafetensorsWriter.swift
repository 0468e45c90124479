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
    case bytes([UInt8])
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
    try Self.write(items, metadata, to: url)
  }

  /// Writes `model.safetensors` into a folder, or, when the data exceed `maximumShardBytes`,
  /// `model-00001-of-0000N.safetensors` and so on with `model.safetensors.index.json`, last.
  ///
  /// - Returns: The files written.
  /// - Throws: As ``write(to:)``.
  @discardableResult
  public func write(toDirectory directory: URL, maximumShardBytes: Int = 5 << 30) throws -> [URL] {
    var shards: [[Item]] = [[]]
    var size = 0
    for item in items {
      if size + item.byteCount > maximumShardBytes, !shards[shards.count - 1].isEmpty {
        shards.append([])
        size = 0
      }
      shards[shards.count - 1].append(item)
      size += item.byteCount
    }
    if shards.count == 1 {
      let url = directory.appendingPathComponent("model.safetensors")
      try write(to: url)
      return [url]
    }
    try checkNames(directory.path)
    var map: [String: String] = [:]
    var urls: [URL] = []
    for (place, shard) in shards.enumerated() {
      func padded(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)"
      }
      let name = "model-\(padded(place + 1))-of-\(padded(shards.count)).safetensors"
      urls.append(directory.appendingPathComponent(name))
      try Self.write(shard, metadata, to: urls[place])
      for item in shard { map[item.name] = name }
    }
    let index = SafetensorsIndex(totalByteCount: byteCount, files: map)
    urls.append(directory.appendingPathComponent(SafetensorsIndex.fileName))
    try AtomicFile.write(index.json, to: urls[urls.count - 1])
    return urls
  }

  private func checkNames(_ path: String) throws(CheckpointError) {
    var seen: Set<String> = ["__metadata__"]
    for item in items where !seen.insert(item.name).inserted {
      throw .duplicateName(file: path, name: item.name)
    }
  }

  private static func write(_ items: [Item], _ metadata: [String: String], to url: URL) throws {
    let widths = [8, 4, 2, 1]
    let ordered = widths.flatMap { width in items.filter { $0.type.byteCount == width } }
    let file = try AtomicFile(replacing: url)
    try file.write(header(ordered, metadata))
    for item in ordered {
      switch item.source {
      case .bytes(let bytes): try file.write(bytes)
      case .integers(let values):
        try file.write(try encoded(values, item))
      case .tensor(let tensor):
        let tensor = try tensor()
        precondition(
          tensor.shape == item.shape,
          "SafetensorsWriter: \(item.name) was declared \(item.shape), but is \(tensor.shape)")
        try tensor.withElements { try write($0, item, to: file) }
      }
    }
    try file.commit()
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

  private static func write(
    _ elements: UnsafePointer<Float>, _ item: Item, to file: AtomicFile
  ) throws {
    let count = item.shape.count
    if item.type == .float32 {
      return try file.write(UnsafeRawBufferPointer(start: elements, count: count * 4))
    }
    let piece = min(max(count, 1), 1 << 20)
    let scratch = PooledBuffer(byteCount: piece * item.type.byteCount)
    for start in stride(from: 0, to: count, by: piece) {
      let length = min(piece, count - start)
      if let bad = item.type.encode(elements + start, count: length, into: scratch.pointer) {
        throw unrepresentable("\(elements[start + bad])", item)
      }
      try file.write(
        UnsafeRawBufferPointer(start: scratch.pointer, count: length * item.type.byteCount))
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
