public import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
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
  /// What the scheme does to every layer; nil without a scheme.
  public let layers: LayerTable?

  /// Reads a safetensors file, a folder that holds a checkpoint, or an export in another layout.
  /// - Throws: `CheckpointError`, `ExportError`, and what `config.json` is found to be.
  public init(contentsOf url: URL) throws {
    if url.pathExtension != "safetensors", let exporter = Exporters.recognizing(url),
      !exporter.writesFolder
    {
      try self.init(exporter.read(from: url), in: exporter.name, at: url)
    } else {
      try self.init(safetensors: url)
    }
  }

  private init(safetensors url: URL) throws {
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
      reports.append(
        Self.report(entry.name, entry.type.rawValue, try file.tensor(entry.name)))
    }
    tensors = reports
    layers = isFolder.boolValue && scheme != nil ? try Self.layers(of: url) : nil
  }

  /// A file that holds no safetensors, from the model it stands for.
  private init(_ model: ShippedModel, in format: String, at url: URL) throws {
    let parameters = model.parameters
    path = url.relativePath
    architecture =
      model.language?.configuration.family.rawValue
      ?? model.image?.configuration.architecture.name
    scheme = model.scheme?.summary
    metadata = ["format": format]
    elements = parameters.paths.reduce(0) { $0 + parameters[$1].count }
    bytes = try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int ?? 0
    tensors = parameters.paths.map { path in
      Self.report(path.name, model.codes(at: path)?.format.name ?? "F32", parameters[path])
    }
    layers = model.plan.map { LayerTable($0, parameters) }
  }

  /// From the shapes that `config.json` leads to and its scheme; no weight is read.
  private static func layers(of folder: URL) throws -> LayerTable? {
    guard let scheme = SchemeReader.scheme(of: folder) else { return nil }
    let parameters: ParameterStore
    if ImageModel.isImageModel(folder) {
      parameters = try ImageModel(contentsOf: folder).parameters
    } else {
      let data = try Data(contentsOf: folder.appending(path: "config.json"))
      let build = ModelBuilder.unfilled()
      _ = Llama(try LlamaConfiguration(json: data), build)
      parameters = build.store
    }
    return LayerTable(try QuantizationPlan(scheme, for: parameters), parameters)
  }

  private static func config(of folder: URL) -> (String?, String?) {
    let file = folder.appending(path: "config.json")
    guard let data = FileManager.default.contents(atPath: file.path),
      let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { return (nil, nil) }
    let architecture = (object["architectures"] as? [String])?.first
    return (architecture, SchemeReader.scheme(of: folder)?.summary)
  }

  private static func report(_ name: String, _ type: String, _ tensor: Tensor) -> TensorReport {
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
      name: name, type: type, shape: tensor.shape.dimensions,
      minimum: finite > 0 ? low : nil, maximum: finite > 0 ? high : nil,
      absoluteMean: finite > 0 ? sum / Double(finite) : nil,
      outlierRatio: rms > 0 ? max(-low, high) / rms : nil, notFinite: tensor.count - finite)
  }
}
