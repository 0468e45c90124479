import Foundation
import GyroCheckpoints
import GyroQuantization
import SwiftProtobuf

/// A file that this exporter wrote, taken apart: stored tensors by name, and what goes with them.
struct ONNXFile {
  let url: URL
  /// Bytes of the whole file: what it declares cannot be more.
  let byteCount: Int
  let config: Data
  let scheme: QuantizationScheme?
  let states: [String: [UInt32]]
  let weights: [String: ONNXMetadata.Grid]
  private let tensors: [String: ONNXTensorProto]

  /// - Throws: ``ExportError`` for a file that is damaged or that another program wrote;
  ///   `CheckpointError` when it cannot be read, `QuantizationError` when the scheme is not the one
  ///   the fingerprint belongs to.
  init(contentsOf url: URL) throws {
    self.url = url
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw CheckpointError.unreadableFile(file: url.path, reason: error.localizedDescription)
    }
    byteCount = data.count
    guard data.count <= Int(Int32.max) else {
      throw Self.malformed(url, "the file", "at most 2 GB", "\(data.count) bytes")
    }
    try ONNXScan.check(data, file: url.path)
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = 16
    options.discardUnknownFields = true
    let message: ONNXModelProto
    do {
      message = try ONNXModelProto(serializedBytes: data, options: options)
    } catch {
      throw Self.malformed(url, "the file", "an ONNX model", "bytes that do not parse")
    }
    let entries = Dictionary(
      message.metadataProps.map { ($0.key, Data($0.value.utf8)) }, uniquingKeysWith: { $1 })
    guard message.producerName == ONNXMetadata.producer, let config = entries["gyro.config"] else {
      let producer = message.producerName.prefix(40)
      throw ExportError.unsupported(
        file: url.path,
        what: "a graph " + (producer.isEmpty ? "of an unknown program" : "by '\(producer)'"),
        supported: "weights in files that this program exported")
    }
    self.config = config
    func value<Value: Decodable>(_ key: String, _ type: Value.Type) throws -> Value? {
      guard let text = entries[key] else { return nil }
      do {
        return try JSONDecoder().decode(type, from: text)
      } catch {
        throw Self.malformed(url, "the value of \(key)", "JSON of a known form", "another text")
      }
    }
    do {
      scheme = try entries["gyro.scheme"].map { text in
        try SchemeRecord.scheme(
          text,
          fingerprint: entries["gyro.fingerprint"].map { String(decoding: $0, as: UTF8.self) })
      }
    } catch is DecodingError {
      throw Self.malformed(url, "the value of gyro.scheme", "a scheme in JSON", "another text")
    }
    states = try value("gyro.states", [String: [UInt32]].self) ?? [:]
    weights = try value("gyro.weights", [String: ONNXMetadata.Grid].self) ?? [:]
    tensors = Dictionary(
      message.graph.initializer.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether there is a tensor of a name.
  func contains(_ name: String) -> Bool { tensors[name] != nil }

  /// A stored tensor whose bytes are as many as its extents and type take.
  /// - Throws: ``ExportError/malformed(file:place:expected:found:)``.
  func tensor(_ name: String) throws(ExportError) -> ONNXTensorProto {
    guard let tensor = tensors[name] else {
      throw malformed("the initializers", "a tensor '\(name)'", "none of that name")
    }
    return tensor
  }

  /// The bytes of a stored tensor of known type and extents.
  /// - Parameter count: The number of bytes that they take.
  func bytes(
    _ name: String, _ type: ONNXTensorProto.DataType, _ extents: [Int], count: Int
  ) throws(ExportError) -> Data {
    let tensor = try tensor(name)
    guard tensor.dataType == Int32(type.rawValue), tensor.dims == extents.map(Int64.init),
      tensor.rawData.count == count
    else {
      throw malformed(
        name, "\(extents) of type \(type), \(count) bytes",
        "\(tensor.dims.prefix(8)) of type \(tensor.dataType), \(tensor.rawData.count) bytes")
    }
    return tensor.rawData
  }

  /// Float32 numbers of known extents.
  func numbers(_ name: String, _ extents: [Int]) throws(ExportError) -> [Float] {
    let count = extents.reduce(1, *)
    let data = try bytes(name, .float, extents, count: 4 * count)
    return ONNXFloats.tensor(data, .float32, [count]).elements
  }

  func malformed(_ place: String, _ expected: String, _ found: String) -> ExportError {
    Self.malformed(url, place, expected, found)
  }

  private static func malformed(
    _ url: URL, _ place: String, _ expected: String, _ found: String
  ) -> ExportError {
    .malformed(file: url.path, place: place, expected: expected, found: found)
  }
}
