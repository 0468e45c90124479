import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("MLX folders")
struct MLXExporterTests {
  private let exporter = MLXExporter()

  struct Case: Sendable, CustomTestStringConvertible {
    let rule: QuantizationRule
    /// What q, k and v of hidden size 64 become; F32 for plain numbers.
    let storage: String
    var testDescription: String { rule.summary }
  }

  private static func affine(
    _ format: String, _ granularity: Granularity? = nil, _ bits: Int, _ group: Int = 64,
    _ scale: ScaleFormat = .float32, isSymmetric: Bool = true, estimator: String? = nil
  ) -> Case {
    Case(
      rule: QuantizationRule(
        format: format, granularity: granularity, scale: scale, isSymmetric: isSymmetric,
        estimator: estimator ?? "straight-through"),
      storage: "affine \(bits) bits, groups of \(group)")
  }

  private static func other(
    _ format: String, _ granularity: Granularity? = nil, _ storage: String,
    isSymmetric: Bool = true, estimator: String = "straight-through"
  ) -> Case {
    Case(
      rule: QuantizationRule(
        format: format, granularity: granularity, isSymmetric: isSymmetric, estimator: estimator),
      storage: storage)
  }

  static let cases: [Case] =
    [2, 3, 4, 5, 6, 8].flatMap { bits in
      [
        affine("int\(bits)", .group(32), bits, 32, isSymmetric: false),
        affine("int\(bits)", .group(32), bits, 32, .bfloat16),
        affine("int\(bits)", .channel, bits), affine("int\(bits)", .tensor, bits, 64, .float16),
      ]
    } + [
      affine("int7", .channel, 8), affine("int7", .channel, 8, isSymmetric: false),
      affine("int8-restricted", .channel, 8), affine("mxint8", nil, 8, 32, .e8m0),
      affine("int4", .block(rows: 16, columns: 32), 4, 32),
      affine("ternary", .channel, 2, estimator: "twn"),
      affine("binary", .channel, 2, estimator: "bwn"),
      other("mxfp4", nil, "mxfp4"), other("mxfp8", nil, "mxfp8"),
      other("nvfp4", nil, "F32"), other("int4", .group(16), "F32"), other("e4m3", nil, "F32"),
      other("nf4", .group(32), "F32"), other("mxfp6-e3m2", nil, "BF16"),
      other("ternary", .tensor, "F32", estimator: "ttq"),
    ]

  @Test("written, read back: codes, scales and values bit for bit", arguments: cases)
  func roundTrip(_ example: Case) throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(
        weights: example.rule,
        activations: QuantizationRule(
          format: "int8", granularity: .tensor, range: .percentile(99.9)),
        embeddings: example.rule))
    let folder = try TemporaryFolder()
    let report = try exporter.write(model, to: folder.url, ExportOptions())
    #expect(report.isExact)
    let query = report.entries.first { $0.path.hasSuffix("q_proj.weight") }
    #expect(query?.storage == example.storage)
    #expect(exporter.recognizes(folder.url) && !PlainExporter().recognizes(folder.url))
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme == model.scheme)
    #expect(read.language?.warnings == [])
    try expectSame(read, model)
    for demand in model.demands {
      guard case .weight(let parameter, _) = demand else { continue }
      let entry = report.entries.first { $0.path == parameter.path.name }
      let answer = exporter.fidelity(of: demand, ExportOptions())
      let isPlain = ScalarType(rawValue: entry?.storage ?? "") != nil
      #expect((answer == .exact) != isPlain, "\(parameter.path): \(answer)")
    }
  }

  @Test("config.json says which layers have which codes, twice, and what mlx-lm guesses wrongly")
  func configuration() throws {
    let four = QuantizationRule(format: "int4", granularity: .group(32))
    let scheme = QuantizationScheme(
      weights: four,
      exceptions: [
        QuantizationScheme.Exception(
          "*down_proj*", weights: QuantizationRule(format: "int8", granularity: .group(32)))
      ], keep: ["*o_proj*"])
    let folder = try TemporaryFolder()
    _ = try exporter.write(SmallModel.shipped(scheme), to: folder.url, ExportOptions())
    let config = try #require(
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: folder.url.appendingPathComponent("config.json")))
        as? [String: Any])
    let record = try #require(config["quantization"] as? [String: Any])
    #expect(record["group_size"] as? Int == 32 && record["bits"] as? Int == 4)
    #expect(record["mode"] as? String == "affine")
    let down = record["model.layers.0.mlp.down_proj"] as? [String: Any]
    #expect(down?["bits"] as? Int == 8 && down?["group_size"] as? Int == 32)
    #expect(record["model.layers.0.self_attn.o_proj"] as? Bool == false)
    #expect(record["model.embed_tokens"] as? Bool == false)
    let again = config["quantization_config"] as? [String: Any]
    #expect(again?.keys.sorted() == record.keys.sorted())
    for key in ["rope_theta", "tie_word_embeddings", "rope_scaling"] {
      #expect(config[key] != nil, "\(key)")
    }
    let file = try SafetensorsFile(
      contentsOf: folder.url.appendingPathComponent("model.safetensors"))
    #expect(file.metadata["format"] == "mlx")
    #expect(try file.entry("model.layers.0.self_attn.q_proj.weight").shape == [64, 8])
    #expect(try file.entry("model.layers.0.self_attn.q_proj.scales").shape == [64, 2])
    #expect(!file.contains("model.layers.0.self_attn.o_proj.scales"))
  }

  @Test(
    "a symmetric code q stands for (q − 2^(bits−1)) · scale, an asymmetric one for (q − z) · scale")
  func formula() throws {
    for isSymmetric in [true, false] {
      let model = try SmallModel.shipped(
        QuantizationScheme(
          weights: QuantizationRule(
            format: "int4", granularity: .group(32), isSymmetric: isSymmetric)))
      let folder = try TemporaryFolder()
      _ = try exporter.write(model, to: folder.url, ExportOptions())
      let files = try SafetensorsDirectory(contentsOf: folder.url)
      let module = "model.layers.0.self_attn.q_proj"
      let path = ParameterPath(module + ".weight")
      let bytes = try files.bytes(path.name)
      let scales = try files.tensor(module + ".scales").elements
      let biases = try files.tensor(module + ".biases").elements
      var values: [Float] = []
      for (place, byte) in bytes.enumerated() {
        let group = place / 16
        for code in [byte & 15, byte >> 4] {
          values.append(Float(code) * scales[group] + biases[group])
        }
      }
      // MLX rounds twice, we round once.
      let largest = model.parameters[path].elements.map(abs).max() ?? 0
      expectClose(
        values, model.parameters[path].elements, relative: 0, absolute: 4 * largest.ulp)
    }
  }

  @Test("narrower scales are refused, and measured when allowed")
  func lossy() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(weights: QuantizationRule(format: "int4", granularity: .group(32))))
    let folder = try TemporaryFolder()
    var options = ExportOptions(floatType: .float16)
    #expect(throws: ExportError.self) { try exporter.write(model, to: folder.url, options) }
    options.allowsLoss = true
    let report = try exporter.write(model, to: folder.url, options)
    let query = report.entries.first { $0.path.hasSuffix("q_proj.weight") }
    #expect((50...90).contains(query?.signalToNoise ?? 0), "\(String(describing: query))")
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme == nil)
    let path = ParameterPath("model.layers.0.self_attn.q_proj.weight")
    expectSame(
      try #require(read.codes(at: path)).codeArray, try #require(model.codes(at: path)).codeArray)
  }

  @Test("an image classifier is refused with what to do instead")
  func images() throws {
    let image = try ImageModel(
      ImageModelConfiguration(.lenet, image: [1, 12, 12], classes: 3), seed: 3)
    let folder = try TemporaryFolder()
    let error = #expect(throws: ExportError.self) {
      try exporter.write(ShippedModel(image), to: folder.url, ExportOptions())
    }
    #expect(
      "\(error!)" == "mlx cannot carry the model at 'GyroLeNet': mlx-lm runs language models only. "
        + "Export it as onnx or safetensors.")
  }
}
