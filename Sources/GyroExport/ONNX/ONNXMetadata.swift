import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import SwiftProtobuf

/// What a reader has to know beside the numbers, as the file's own pairs of keys and values.
///
/// | key                | value                                                               |
/// |--------------------|---------------------------------------------------------------------|
/// | `gyro.config`      | `config.json`                                                       |
/// | `gyro.scheme`      | the scheme, as JSON                                                 |
/// | `gyro.fingerprint` | the scheme's                                                        |
/// | `gyro.states`      | what quantizers of activations keep: bits of Float32 numbers by path |
/// | `gyro.weights`     | grids of weights that are not those of the scheme, by path          |
struct ONNXMetadata {
  /// The grid of one weight.
  struct Grid: Codable, Equatable {
    var format: String
    var granularity: Granularity
    var scale: ScaleFormat
    var isSymmetric: Bool
  }

  var config: Data
  var scheme: QuantizationScheme?
  var states: [String: [UInt32]] = [:]
  var weights: [String: Grid] = [:]

  static let producer = "gyro"

  /// - Parameter codes: Those of the model's quantized weights.
  init(_ model: ShippedModel, codes: [ParameterPath: QuantizedTensor]) {
    switch model.network {
    case .language(let language): config = language.configuration.json
    case .image(let image): config = image.configuration.json
    }
    scheme = model.scheme
    let parameters = model.parameters
    for path in model.plan?.siteStatePaths ?? [] where parameters.contains(path) {
      states[path.name] = parameters[path].elements.map(\.bitPattern)
    }
    for path in parameters.paths {
      guard let codes = codes[path] else { continue }
      let grid = Grid(codes)
      if grid != model.plan?.quantizer(at: path).map({ Grid($0) }) { weights[path.name] = grid }
    }
  }

  // MARK: Writing

  /// The bytes of the whole file: the graph, its versions and this.
  func file(around graph: ONNXGraph) throws -> [UInt8] {
    var message = ONNXModelProto()
    var operators = ONNXOperatorSetIdProto()
    operators.version = graph.operatorSet
    message.irVersion = graph.operatorSet >= 21 ? 10 : graph.operatorSet >= 19 ? 9 : 7
    message.producerName = Self.producer
    message.opsetImport = [operators]
    message.graph = graph.message(named: "model")
    message.metadataProps = try entries.map { key, value in
      var entry = ONNXStringStringEntryProto()
      (entry.key, entry.value) = (key, value)
      return entry
    }
    return try message.serializedBytes()
  }

  private var entries: [(String, String)] {
    get throws {
      var entries = [("gyro.config", String(decoding: config, as: UTF8.self))]
      if let scheme {
        entries.append(
          ("gyro.scheme", String(decoding: SchemeRecord.text(of: scheme), as: UTF8.self)))
        entries.append(("gyro.fingerprint", scheme.fingerprint))
      }
      if !states.isEmpty { entries.append(("gyro.states", try Self.text(states))) }
      if !weights.isEmpty { entries.append(("gyro.weights", try Self.text(weights))) }
      return entries
    }
  }

  /// JSON that is the same for equal values.
  private static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

extension ONNXMetadata.Grid {
  init(_ codes: QuantizedTensor) {
    self.init(
      format: codes.format.name, granularity: codes.granularity, scale: codes.scaleFormat,
      isSymmetric: codes.isSymmetric)
  }

  init(_ quantizer: Quantizer) {
    self.init(
      format: quantizer.format.name, granularity: quantizer.granularity,
      scale: quantizer.scaleFormat, isSymmetric: quantizer.isSymmetric)
  }
}
