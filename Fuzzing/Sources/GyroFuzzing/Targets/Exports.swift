import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization

/// Layouts of other programs, as their exporters read them back.
extension FuzzTarget {
  /// One GGUF file: metadata, tokenizer, tensors.
  static let gguf = FuzzTarget(
    name: "gguf", shape: .binary,
    seeds: {
      let q8 = QuantizationRule(format: "int8", granularity: .group(32), scale: .float16)
      let q4 = QuantizationRule(format: "int4", granularity: .group(32), scale: .float16)
      return try [
        ("float", file(GGUFExporter(), nil)), ("q8", file(GGUFExporter(), q8)),
        ("q4", file(GGUFExporter(), q4)),
        ("mxfp4", file(GGUFExporter(), QuantizationRule(format: "mxfp4"))),
      ]
    },
    read: { bytes, folder in
      _ = try GGUFExporter().read(from: folder.write(bytes, to: "model.gguf"))
    })

  static let compressedTensors = folder(
    "compressed-tensors", CompressedTensorsExporter(),
    [
      ("int4", QuantizationRule(format: "int4", granularity: .group(32))),
      ("int8", QuantizationRule(format: "int8")), ("fp8", QuantizationRule(format: "e4m3")),
      ("nvfp4", QuantizationRule(format: "nvfp4")), ("mxfp4", QuantizationRule(format: "mxfp4")),
    ])

  static let mlx = folder(
    "mlx", MLXExporter(),
    [("int4", QuantizationRule(format: "int4", granularity: .group(32), isSymmetric: false))])

  static let plain = folder(
    "plain", PlainExporter(), [("int4", QuantizationRule(format: "int4"))])

  /// A layout of `config.json` and `model.safetensors`.
  private static func folder(
    _ name: String, _ exporter: any CheckpointExporter, _ rules: [(String, QuantizationRule)]
  ) -> FuzzTarget {
    FuzzTarget(
      name: name, shape: .pair(.json, .safetensors),
      seeds: {
        try rules.map { rule in
          let bytes = try pair { url in
            let options = ExportOptions(floatType: .bfloat16, allowsLoss: true)
            _ = try exporter.write(model(rule.1), to: url, options)
          }
          return (rule.0, bytes)
        }
      },
      read: { bytes, folder in
        let pair = FilePair(bytes)
        _ = folder.write(pair.first, to: "config.json")
        _ = folder.write(pair.second, to: "model.safetensors")
        _ = try exporter.read(from: folder.url)
      })
  }

  /// A model of a few thousand numbers.
  static func model(_ rule: QuantizationRule?) throws -> ShippedModel {
    let configuration = LlamaConfiguration(
      vocabulary: 4, hidden: 32, feedForward: 32, layers: 1, heads: 2, keyValueHeads: 1, context: 8)
    let (model, parameters) = Llama.initialized(configuration, seed: 1)
    let scheme = rule.map { QuantizationScheme(weights: $0) }
    return try ShippedModel(LanguageModel(model: model, parameters: parameters, scheme: scheme))
  }

  static func file(
    _ exporter: any CheckpointExporter, _ rule: QuantizationRule?
  ) throws -> [UInt8] {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("gyro-seed-\(UUID().uuidString).\(exporter.name)")
    defer { try? FileManager.default.removeItem(at: url) }
    _ = try exporter.write(
      model(rule), to: url, ExportOptions(floatType: .bfloat16, allowsLoss: true))
    return Array(try Data(contentsOf: url))
  }
}
