public import Foundation
public import GyroTensors
import GyroText

/// A safetensors file: `u64 length | JSON header | data`, all little-endian.
///
/// Opening reads and checks the whole header: entries must be well formed and their ranges tile the
/// data exactly. Tensors are read one at a time when asked for. Those of F16 and BF16 keep their
/// 16 bits an element until somebody looks at the numbers (`HalfElements`); others are converted in
/// pieces of 4 MiB. So a model takes the memory of its file and little more. Nothing is mapped, and
/// nothing of the file is needed once a tensor is read: it may be cut, changed or replaced, by an
/// export of the same model for example. Safe to use from several threads.
public final class SafetensorsFile: Sendable {
  /// Where the file is.
  public let url: URL
  /// The header's `__metadata__`.
  public let metadata: [String: String]
  /// Every entry, in the order of the header.
  public let entries: [SafetensorsEntry]
  private let places: [String: Int]
  private let file: InputFile
  private let dataStart: Int

  /// Opens a file and checks its header.
  ///
  /// - Throws: ``CheckpointError`` naming the file, and the tensor where one is at fault.
  public init(contentsOf url: URL) throws(CheckpointError) {
    self.url = url
    file = try InputFile(url)
    let size = file.byteCount
    let path = file.path
    func malformed(_ expected: String, _ found: String) -> CheckpointError {
      .malformedHeader(file: path, byte: nil, expected: expected, found: found)
    }
    guard size >= 8 else { throw malformed("at least 8 bytes", "\(size)") }
    let prefix = try file.bytes(at: 0, count: 8)
    let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= SafetensorsHeader.maximumByteCount else {
      throw malformed(
        "a header of at most \(SafetensorsHeader.maximumByteCount) bytes", "the length \(length)")
    }
    guard length <= size - 8 else {
      throw malformed("a header of \(length) bytes", "\(size - 8) bytes to the end of the file")
    }
    dataStart = 8 + Int(length)
    let header = try SafetensorsHeader(
      try file.bytes(at: 8, count: Int(length)), dataCount: size - dataStart, file: file.path)
    metadata = header.metadata
    entries = header.entries
    places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
  }

  /// The names of all tensors, in the order of the header.
  public var names: [String] { entries.map(\.name) }

  /// Whether a tensor is in the file.
  public func contains(_ name: String) -> Bool { places[name] != nil }

  /// Type, shape and place of a tensor.
  ///
  /// - Throws: ``CheckpointError/missingTensor(file:tensor:nearest:)``.
  public func entry(_ name: String) throws(CheckpointError) -> SafetensorsEntry {
    guard let place = places[name] else {
      throw .missingTensor(
        file: file.path, tensor: name,
        nearest: nearestNames(to: name, among: places.keys, sharing: 3))
    }
    return entries[place]
  }

  /// Reads a tensor of any type as Float32: exactly for types of 16 bits or fewer and for F32,
  /// rounded to nearest otherwise.
  ///
  /// - Throws: ``CheckpointError`` when it is missing, has more than 8 axes, or cannot be read.
  public func tensor(_ name: String) throws(CheckpointError) -> Tensor {
    let entry = try entry(name)
    guard entry.shape.rank <= 8 else {
      throw .wrongScalarType(
        file: file.path, tensor: name, expected: "at most 8 axes", found: "\(entry.shape)")
    }
    if let format = entry.type.halfFormat, entry.shape.count > 0 {
      let bits = PooledBuffer(byteCount: entry.byteRange.count)
      let raw = UnsafeMutableRawBufferPointer(start: bits.pointer, count: bits.byteCount)
      try file.read(raw, at: dataStart + entry.byteRange.lowerBound)
      try file.checkUnchanged()
      return Tensor(
        entry.shape, decoding: HalfElements(format, count: entry.shape.count, bits: bits))
    }
    var outcome: Result<Void, CheckpointError> = .success(())
    let tensor = Tensor.filled(entry.shape) { pointer in
      outcome = Result { () throws(CheckpointError) in try read(entry, into: pointer) }
    }
    try outcome.get()
    return tensor
  }

  /// The bytes of a tensor as they are in the file.
  ///
  /// - Throws: ``CheckpointError`` when it is missing or cannot be read.
  public func bytes(_ name: String) throws(CheckpointError) -> [UInt8] {
    let entry = try entry(name)
    let bytes = try file.bytes(
      at: dataStart + entry.byteRange.lowerBound, count: entry.byteRange.count)
    try file.checkUnchanged()
    return bytes
  }

  /// The elements of an integer or BOOL tensor, in row-major order.
  ///
  /// - Throws: ``CheckpointError`` when it is missing, of a floating-point type, or holds a U64
  ///   beyond `Int64.max`.
  public func integers(_ name: String) throws(CheckpointError) -> [Int64] {
    let entry = try entry(name)
    guard !entry.type.isFloatingPoint else {
      throw .wrongScalarType(
        file: file.path, tensor: name, expected: "an integer type", found: entry.type.rawValue)
    }
    let bytes = try bytes(name)
    let values = bytes.withUnsafeBytes { raw in
      (0..<entry.shape.count).compactMap { entry.type.integer(at: $0, in: raw) }
    }
    guard values.count == entry.shape.count else {
      throw .wrongScalarType(
        file: file.path, tensor: name, expected: "numbers up to \(Int64.max)", found: "larger ones")
    }
    return values
  }

  private func read(
    _ entry: SafetensorsEntry, into destination: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    let start = dataStart + entry.byteRange.lowerBound
    if entry.type == .float32 {
      let raw = UnsafeMutableRawBufferPointer(start: destination, count: entry.byteRange.count)
      try file.read(raw, at: start)
    } else if !entry.byteRange.isEmpty {
      let width = entry.type.byteCount
      let piece = min(entry.byteRange.count, 4 << 20)
      let scratch = PooledBuffer(byteCount: piece)
      for offset in stride(from: 0, to: entry.byteRange.count, by: piece) {
        let count = min(piece, entry.byteRange.count - offset)
        let raw = UnsafeMutableRawBufferPointer(start: scratch.pointer, count: count)
        try file.read(raw, at: start + offset)
        entry.type.decode(
          scratch.pointer, count: count / width, into: destination + offset / width)
      }
    }
    try file.checkUnchanged()
  }
}
