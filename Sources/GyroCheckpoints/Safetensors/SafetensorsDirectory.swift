public import Foundation
public import GyroTensors
import GyroText

/// The tensors of a model's folder, whether they lie in `model.safetensors` or in shards under
/// `model.safetensors.index.json`.
public struct SafetensorsDirectory: Sendable {
  /// The folder.
  public let url: URL
  /// The open files.
  public let shards: [SafetensorsFile]
  private let places: [String: Int]

  /// Opens every file of the checkpoint and checks the headers. A single `model.safetensors` is
  /// preferred to an index; tensors of a shard that the index does not name are left out.
  ///
  /// - Throws: ``CheckpointError`` when there is no checkpoint, a shard is missing or damaged, or a
  ///   shard lacks a tensor that the index places there.
  public init(contentsOf url: URL) throws(CheckpointError) {
    self.url = url
    let single = url.appendingPathComponent("model.safetensors")
    let sharded = url.appendingPathComponent(SafetensorsIndex.fileName)
    let manager = FileManager.default
    if manager.fileExists(atPath: single.path) {
      let file = try SafetensorsFile(contentsOf: single)
      shards = [file]
      places = Dictionary(uniqueKeysWithValues: file.names.map { ($0, 0) })
      return
    }
    guard manager.fileExists(atPath: sharded.path) else {
      var isFolder: ObjCBool = false
      guard manager.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
        throw .unreadableFile(file: url.path, reason: "there is no such folder")
      }
      let found = ((try? manager.contentsOfDirectory(atPath: url.path)) ?? []).filter { name in
        [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".npz"].contains { name.hasSuffix($0) }
      }
      throw .noCheckpoint(directory: url.path, found: found.sorted())
    }
    let index = try SafetensorsIndex(contentsOf: sharded)
    var files: [SafetensorsFile] = []
    var numbers: [String: Int] = [:]
    var places: [String: Int] = [:]
    for (tensor, name) in index.files.sorted(by: { $0.key < $1.key }) {
      if numbers[name] == nil {
        numbers[name] = files.count
        files.append(try SafetensorsFile(contentsOf: url.appendingPathComponent(name)))
      }
      let number = numbers[name]!
      _ = try files[number].entry(tensor)
      places[tensor] = number
    }
    shards = files
    self.places = places
  }

  /// One file, under whatever name, as a checkpoint.
  ///
  /// - Throws: ``CheckpointError`` when it cannot be read or its header is damaged.
  public init(file url: URL) throws(CheckpointError) {
    let file = try SafetensorsFile(contentsOf: url)
    self.url = url
    shards = [file]
    places = Dictionary(uniqueKeysWithValues: file.names.map { ($0, 0) })
  }

  /// Bytes of all tensors in all files.
  package var byteCount: Int {
    shards.reduce(0) { $1.entries.reduce($0) { $0 + $1.byteRange.count } }
  }

  /// The names of all tensors, sorted.
  public var names: [String] { places.keys.sorted() }

  /// Whether a tensor is in the checkpoint.
  public func contains(_ name: String) -> Bool { places[name] != nil }

  /// The file that holds a tensor.
  ///
  /// - Throws: ``CheckpointError/missingTensor(file:tensor:nearest:)``.
  public func file(holding name: String) throws(CheckpointError) -> SafetensorsFile {
    guard let place = places[name] else {
      throw .missingTensor(
        file: url.path, tensor: name,
        nearest: nearestNames(to: name, among: places.keys, sharing: 3))
    }
    return shards[place]
  }

  /// Type, shape and place of a tensor in its file. Throws as ``SafetensorsFile``.
  public func entry(_ name: String) throws(CheckpointError) -> SafetensorsEntry {
    try file(holding: name).entry(name)
  }

  /// A tensor as Float32. Throws as ``SafetensorsFile/tensor(_:)``.
  public func tensor(_ name: String) throws(CheckpointError) -> Tensor {
    try file(holding: name).tensor(name)
  }

  /// A tensor's bytes. Throws as ``SafetensorsFile/bytes(_:)``.
  public func bytes(_ name: String) throws(CheckpointError) -> [UInt8] {
    try file(holding: name).bytes(name)
  }

  /// An integer tensor's elements. Throws as ``SafetensorsFile/integers(_:)``.
  public func integers(_ name: String) throws(CheckpointError) -> [Int64] {
    try file(holding: name).integers(name)
  }
}
