import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization

extension FuzzTarget {
  /// `config.json` and `model.safetensors` of an image classifier, float or quantized.
  static let imageCheckpoint = FuzzTarget(
    name: "image-checkpoint", shape: .pair(.json, .safetensors),
    seeds: {
      let perceptron = ImageModelConfiguration(
        .perceptron(hidden: [3]), image: [1, 2, 2], classes: 2)
      let residual = ImageModelConfiguration(
        .resnet(widths: [2], blocksPerStage: 1), image: [1, 4, 4], classes: 2)
      let mobile = ImageModelConfiguration(
        .mobilenet(stem: 2, blocks: [.init(width: 2, stride: 2)]), image: [1, 4, 4], classes: 2)
      var quantized = try ImageModel(perceptron, seed: 1)
      let scheme = QuantizationScheme(weights: QuantizationRule(format: "int4"))
      quantized.parameters = try QuantizationPlan(scheme, for: quantized.parameters)
        .frozen(quantized.parameters)
      quantized.scheme = scheme
      return try [
        ("perceptron", pair { try ImageModel(perceptron, seed: 1).write(to: $0) }),
        ("resnet", pair { try ImageModel(residual, seed: 1).write(to: $0, as: .bfloat16) }),
        ("mobilenet", pair { try ImageModel(mobile, seed: 1).write(to: $0, as: .float16) }),
        ("int4", pair { try quantized.write(to: $0) }),
      ]
    },
    read: { bytes, folder in
      let pair = FilePair(bytes)
      _ = folder.write(pair.first, to: "config.json")
      _ = folder.write(pair.second, to: "model.safetensors")
      _ = ImageModel.isImageModel(folder.url)
      _ = try ImageModel(contentsOf: folder.url)
    })

  /// `config.json` and `model.safetensors` of a language model that this project quantized: the
  /// scheme, codes, scales and what quantizers keep.
  static let quantizedCheckpoint = FuzzTarget(
    name: "quantized-checkpoint", shape: .pair(.json, .safetensors),
    seeds: {
      let rules: [(String, QuantizationRule)] = [
        ("int8", QuantizationRule(format: "int8")),
        ("int4", QuantizationRule(format: "int4", granularity: .group(8), isSymmetric: false)),
        ("nvfp4", QuantizationRule(format: "nvfp4")),
        ("ttq", QuantizationRule(format: "ternary", granularity: .tensor, estimator: "ttq")),
        ("split", QuantizationRule(format: "e4m3-finite", estimator: "flexible-float")),
      ]
      return try [("float", pair { try language(nil).write(to: $0) })]
        + rules.map { name, rule in (name, try pair { try language(rule).write(to: $0) }) }
    },
    read: { bytes, folder in
      let pair = FilePair(bytes)
      _ = folder.write(pair.first, to: "config.json")
      _ = folder.write(pair.second, to: "model.safetensors")
      let model = try LanguageModel(contentsOf: folder.url)
      if let scheme = model.scheme {
        _ = (scheme.summary, try QuantizationPlan(scheme, for: model.parameters))
      }
    })

  /// A model of a few hundred numbers.
  private static func language(_ rule: QuantizationRule?) throws -> LanguageModel {
    let configuration = LlamaConfiguration(
      vocabulary: 5, hidden: 16, feedForward: 16, layers: 1, heads: 2, keyValueHeads: 1, context: 8)
    let (model, parameters) = Llama.initialized(configuration, seed: 1)
    guard let rule else { return LanguageModel(model: model, parameters: parameters) }
    let scheme = QuantizationScheme(
      weights: rule, activations: QuantizationRule(format: "int8", granularity: .token))
    var prepared = parameters
    let plan = try QuantizationPlan(scheme, for: parameters)
    try plan.prepare(&prepared)
    return LanguageModel(model: model, parameters: try plan.frozen(prepared), scheme: scheme)
  }

  /// The two files of a folder that `write` fills.
  static func pair(_ write: (URL) throws -> Void) throws -> [UInt8] {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("gyro-seed-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try write(folder)
    return FilePair(
      Array(try Data(contentsOf: folder.appendingPathComponent("config.json"))),
      Array(try Data(contentsOf: folder.appendingPathComponent("model.safetensors")))
    ).bytes
  }
}
