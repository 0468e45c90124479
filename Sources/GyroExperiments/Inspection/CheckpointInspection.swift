public import Foundation
import GyroCheckpoints
import GyroTensors

/// The tensors of a checkpoint and what is in them.
public struct CheckpointInspection: Sendable, Encodable {
  /// One tensor. Its figures are nil when it is empty.
  public struct TensorReport: Sendable, Encodable {
    public let name: String
    public let type: String
    public let shape: [Int]
    public let minimum: Double?
    public let maximum: Double?
    /// Mean of the absolute values.
    public let absoluteMean: Double?
    /// Largest absolute value over root mean square: high where outliers cost a quantizer range.
    public let outlierRatio: Double?
    /// Elements that are NaN or infinite; they do not enter the other figures.
    public let notFinite: Int

    enum CodingKeys: String, CodingKey {
      case name, type, shape, minimum, maximum
      case absoluteMean = "absolute_mean"
      case outlierRatio = "outlier_ratio"
      case notFinite = "not_finite"
    }
  }

  public let path: String
  /// `architectures[0]` of `config.json`, when there is one.
  public let architecture: String?
  /// The quantization scheme recorded in the checkpoint, in words.
  public let scheme: String?
  public let metadata: [String: String]
  /// Elements of all tensors together.
  public let elements: Int
  /// Bytes of all tensors together.
  public let bytes: Int
  public let tensors: [TensorReport]

  /// Reads a safetensors file or a folder that holds a checkpoint.
  /// - Throws: `CheckpointError` and what `config.json` is found to be.
  public init(contentsOf url: URL) throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    let files =
      exists && isFolder.boolValue
      ? try SafetensorsDirectory(contentsOf: url).shards : [try SafetensorsFile(contentsOf: url)]
    path = url.relativePath
    let config = isFolder.boolValue ? Self.config(of: url) : (nil, nil)
    (architecture, scheme) = config
    metadata = files.reduce(into: [:]) { $0.merge($1.metadata) { old, _ in old } }
    let entries = files.flatMap { file in file.entries.map { (file, $0) } }
      .sorted { $0.1.name < $1.1.name }
    elements = entries.reduce(0) { $0 + $1.1.shape.count }
    bytes = entries.reduce(0) { $0 + $1.1.byteRange.count }
    var reports: [TensorReport] = []
    for (file, entry) in entries {
      reports.append(Self.report(entry, try file.tensor(entry.name)))
    }
    tensors = reports
  }

  private static func config(of folder: URL) -> (String?, String?) {
    let file = folder.appending(path: "config.json")
    guard let data = FileManager.default.contents(atPath: file.path),
      let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { return (nil, nil) }
    let architecture = (object["architectures"] as? [String])?.first
    return (architecture, SchemeReader.scheme(of: folder)?.summary)
  }

  private static func report(_ entry: SafetensorsEntry, _ tensor: Tensor) -> TensorReport {
    var (low, high, sum, squares) = (Double.infinity, -Double.infinity, 0.0, 0.0)
    var finite = 0
    tensor.withElements { pointer in
      for index in 0..<tensor.count {
        let value = Double(pointer[index])
        guard value.isFinite else { continue }
        finite += 1
        low = min(low, value)
        high = max(high, value)
        sum += abs(value)
        squares += value * value
      }
    }
    let rms = finite > 0 ? (squares / Double(finite)).squareRoot() : 0
    return TensorReport(
      name: entry.name, type: entry.type.rawValue, shape: entry.shape.dimensions,
      minimum: finite > 0 ? low : nil, maximum: finite > 0 ? high : nil,
      absoluteMean: finite > 0 ? sum / Double(finite) : nil,
      outlierRatio: rms > 0 ? max(-low, high) / rms : nil, notFinite: tensor.count - finite)
  }
}
