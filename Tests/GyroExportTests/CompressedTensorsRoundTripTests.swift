import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("compressed-tensors, written and read back")
struct CompressedTensorsRoundTripTests {
  private let exporter = CompressedTensorsExporter()

  private func roundTrip(
    _ scheme: QuantizationScheme, _ options: ExportOptions = ExportOptions()
  ) throws -> (ExportReport, [String: Any]) {
    let model = try SmallModel.shipped(scheme)
    let folder = try TemporaryFolder()
    let report = try exporter.write(model, to: folder.url, options)
    #expect(exporter.recognizes(folder.url))
    #expect(report.fingerprint == scheme.fingerprint && report.isExact)
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme == scheme)
    try expectSame(read, model)
    let config = try JSONSerialization.jsonObject(
      with: Data(contentsOf: folder.url.appendingPathComponent("config.json")))
    return (report, config as? [String: Any] ?? [:])
  }

  @Test("codes, scales, zero points and values of every rule", arguments: carriedRules.indices)
  func weights(_ index: Int) throws {
    let (rule, storage) = carriedRules[index]
    let (report, _) = try roundTrip(QuantizationScheme(weights: rule))
    let entry = try #require(report.entries.first { $0.path.hasSuffix("q_proj.weight") })
    #expect(entry.storage == storage)
  }

  static let activationRules: [QuantizationRule] = [
    QuantizationRule(format: "int8", granularity: .token),
    QuantizationRule(format: "int8-half-range", granularity: .token),
    QuantizationRule(format: "int4", granularity: .token, isSymmetric: false),
    QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false),
    QuantizationRule(format: "int8", granularity: .tensor, isSymmetric: false, isDynamic: false),
    QuantizationRule(format: "int8", granularity: .tensor, range: .percentile(99)),
    QuantizationRule(format: "int8", granularity: .tensor, estimator: "lsq"),
    QuantizationRule(format: "int8", granularity: .tensor, isSymmetric: false, estimator: "lsq+"),
    QuantizationRule(format: "e4m3", granularity: .token),
    QuantizationRule(format: "e4m3", granularity: .tensor, isDynamic: false),
    QuantizationRule(format: "int4", granularity: .token, estimator: "clip"),
  ]

  @Test("activations, their ranges bit for bit", arguments: activationRules)
  func activations(_ rule: QuantizationRule) throws {
    for format in ["int8", "int4", "e4m3"] {
      _ = try roundTrip(
        QuantizationScheme(weights: QuantizationRule(format: format), activations: rule))
    }
  }

  @Test("caches, tables, exceptions, layers in float and rotations in one model")
  func everything() throws {
    let cached = QuantizationRule(format: "e4m3", granularity: .tensor, isDynamic: false)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .group(32)),
      activations: QuantizationRule(format: "int8", granularity: .token),
      embeddings: QuantizationRule(format: "int8"), keys: cached, values: cached,
      exceptions: [
        .init("down_proj", weights: QuantizationRule(format: "e4m3")),
        .init("o_proj.input", activations: cached),
      ],
      keep: ["gate_proj", "lm_head"], rotations: RotationRule([.keys, .feedForward], signSeed: 3))
    let (report, config) = try roundTrip(scheme)
    #expect(report.files == ["config.json", "model.safetensors", "quantizers.gyro"])
    let quantization = config["quantization_config"] as? [String: Any] ?? [:]
    #expect(quantization["format"] as? String == "mixed-precision")
    #expect(
      quantization["ignore"] as? [String] == ["model.layers.0.mlp.gate_proj", "lm_head"])
    let cache = quantization["kv_cache_scheme"] as? [String: Any] ?? [:]
    #expect(cache["type"] as? String == "float" && cache["strategy"] as? String == "tensor")
    let transforms = quantization["transform_config"] as? [String: Any] ?? [:]
    #expect((transforms["config_groups"] as? [String: Any])?.keys.sorted() == ["R3", "R4"])
  }

  @Test(
    "the storage of whole numbers is the user's to choose",
    arguments: ["pack-quantized", "int-quantized"])
  func storage(_ name: String) throws {
    let scheme = QuantizationScheme(weights: QuantizationRule(format: "int4"))
    let (report, _) = try roundTrip(scheme, ExportOptions(storage: name))
    #expect(report.entries.contains { $0.storage == "\(name) int4 channel" })
    let model = try SmallModel.shipped(scheme)
    let folder = try TemporaryFolder()
    #expect(
      throws: ExportError.unknownStorage(
        "q4_k", format: exporter.name, known: ["pack-quantized", "int-quantized"])
    ) { try exporter.write(model, to: folder.url, ExportOptions(storage: "q4_k")) }
  }

  @Test("packed zero points stand alone: beside other layers they are bytes")
  func zeroPoints() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .group(32), isSymmetric: false),
      exceptions: [.init("down_proj", weights: QuantizationRule(format: "int8"))])
    let (report, _) = try roundTrip(scheme)
    #expect(report.entries.contains { $0.storage == "int-quantized int4 group-32 asymmetric" })
    let (packed, _) = try roundTrip(scheme, ExportOptions(storage: "pack-quantized"))
    #expect(packed.entries.contains { $0.storage == "pack-quantized int4 group-32 asymmetric" })
  }

  @Test("the same model gives the same bytes")
  func sameBytes() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(
        weights: QuantizationRule(format: "nvfp4"),
        activations: QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false)))
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    let report = try exporter.write(model, to: one.url, ExportOptions())
    _ = try exporter.write(model, to: two.url, ExportOptions())
    for file in report.files {
      let (a, b) = (one.url.appendingPathComponent(file), two.url.appendingPathComponent(file))
      #expect(try Data(contentsOf: a) == Data(contentsOf: b), "\(file)")
    }
  }

  @Test(
    "layers that vLLM runs as one have one scale for the tensor in the file",
    arguments: ["straight-through", "clip", "lsq", "learned-range"])
  func fusedScales(_ estimator: String) throws {
    let (report, _) = try roundTrip(
      QuantizationScheme(
        weights: QuantizationRule(format: "nvfp4", estimator: estimator),
        activations: QuantizationRule(format: "nvfp4")))
    #expect(!report.notes.contains { $0.contains("run as one layer") })
    let model = try SmallModel.shipped(
      QuantizationScheme(weights: QuantizationRule(format: "nvfp4", estimator: estimator)))
    let folder = try TemporaryFolder()
    _ = try exporter.write(model, to: folder.url, ExportOptions())
    let files = try SafetensorsDirectory(contentsOf: folder.url)
    func scales(_ scope: String, _ parts: [String]) throws -> Set<Float> {
      Set(
        try parts.map {
          try files.tensor("model.layers.0.\(scope).\($0)_proj.weight_global_scale").item
        })
    }
    #expect(try scales("self_attn", ["q", "k", "v"]).count == 1)
    #expect(try scales("mlp", ["gate", "up"]).count == 1)
    #expect(try scales("self_attn", ["q", "o"]).count == 2)
    #expect(try scales("mlp", ["gate", "down"]).count == 2)
  }

  @Test("a file whose fused layers have scales of their own keeps them, and the report says so")
  func ownScales() throws {
    let scheme = QuantizationScheme(weights: QuantizationRule(format: "nvfp4"))
    let plan = try QuantizationPlan(scheme, for: SmallModel.llama().parameters)
    var language = try SmallModel.shipped(scheme).language!
    let (_, float) = SmallModel.llama()
    let paths = ["q", "k", "v"].map { ParameterPath("model.layers.0.self_attn.\($0)_proj.weight") }
    for path in paths {
      let quantizer = try #require(plan.quantizer(at: path))
      language.parameters[path] = quantizer.tensor(of: try quantizer.quantized(float[path]))
    }
    let model = try ShippedModel(language)
    #expect(Set(paths.map { model.codes(at: $0)!.scales.tensorScale }).count == 3)
    let folder = try TemporaryFolder()
    let report = try exporter.write(model, to: folder.url, ExportOptions())
    #expect(report.notes.contains { $0.contains("run as one layer with one scale for the tensor") })
    try expectSame(try exporter.read(from: folder.url), model)
  }

  @Test("where transformers' arithmetic is not that of training, the report says so")
  func simulation() throws {
    func notes(_ weights: String, _ activations: QuantizationRule) throws -> [String] {
      try roundTrip(
        QuantizationScheme(
          weights: QuantizationRule(format: weights), activations: activations)
      ).0.notes
    }
    func isNoted(_ notes: [String], _ text: String) -> Bool { notes.contains { $0.contains(text) } }
    let before = "adds the zero point before it rounds", operands = "kernels of vLLM multiply codes"
    for isDynamic in [false, true] {
      let rule = QuantizationRule(
        format: "int8", granularity: isDynamic ? .token : .tensor, isSymmetric: false,
        isDynamic: isDynamic)
      let found = try notes("int8", rule)
      #expect(isNoted(found, before) && isNoted(found, operands))
    }
    for format in ["int8", "e4m3"] {
      let rule = QuantizationRule(format: format, granularity: .token)
      let found = try notes(format, rule)
      #expect(isNoted(found, operands) && !isNoted(found, before))
    }
    let microscaled = try notes("mxfp4", QuantizationRule(format: "mxfp4"))
    #expect(!isNoted(microscaled, operands) && !isNoted(microscaled, before))
    // As kernels do it: 37.5 becomes 38, whatever the zero point.
    let quantizer = try Quantizer(IntegerFormat.int8, .tensor, isSymmetric: false)
    for zeroPoint in [130, 131] as [Float] {
      let scales = GroupScales(
        scales: Tensor([1], elements: [0.25]), zeroPoints: Tensor([1], elements: [zeroPoint]))
      let codes = try quantizer.quantized(Tensor([1], elements: [37.5 * 0.25]), with: scales)
      #expect(codes.codeArray == [UInt8(zeroPoint) + 38])
    }
  }

  @Test("numbers that a narrow type rounds are refused, and measured when that is allowed")
  func narrowType() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(weights: QuantizationRule(format: "int8")))
    let folder = try TemporaryFolder()
    #expect(throws: ExportError.self) {
      try exporter.write(model, to: folder.url, ExportOptions(floatType: .bfloat16))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
    let report = try exporter.write(
      model, to: folder.url, ExportOptions(floatType: .bfloat16, allowsLoss: true))
    let table = try #require(report.entries.first { $0.path.contains("embed_tokens") })
    #expect(table.storage == "BF16" && (30..<80).contains(table.signalToNoise ?? 0))
    #expect(
      report.entries.filter { $0.path.contains("_proj") }.allSatisfy { $0.signalToNoise == nil })
    let read = try exporter.read(from: folder.url)
    let path: ParameterPath = "model.layers.0.self_attn.q_proj.weight"
    expectSameBits(read.parameters[path], model.parameters[path])
  }

  @Test("packed scales take the model's type where it holds them")
  func scaleType() throws {
    for (scale, type) in [(ScaleFormat.bfloat16, ScalarType.bfloat16), (.float32, .float32)] {
      var model = try SmallModel.shipped(
        QuantizationScheme(weights: QuantizationRule(format: "int4", scale: scale))
      ).language!
      for path in model.parameters.paths where model.parameters[path].encoded == nil {
        model.parameters[path] = ScalarType.bfloat16.rounded(model.parameters[path])
      }
      let folder = try TemporaryFolder()
      _ = try exporter.write(ShippedModel(model), to: folder.url, ExportOptions())
      let files = try SafetensorsDirectory(contentsOf: folder.url)
      #expect(try files.entry("lm_head.weight_scale").type == type)
      #expect(try files.entry("model.norm.weight").type == type)
    }
  }

  @Test("a float model is written without quantization_config")
  func float() throws {
    let (llama, parameters) = SmallModel.llama()
    let model = try ShippedModel(LanguageModel(model: llama, parameters: parameters))
    let folder = try TemporaryFolder()
    let report = try exporter.write(model, to: folder.url, ExportOptions())
    #expect(report.notes.isEmpty && !exporter.recognizes(folder.url))
    try expectSame(ShippedModel(contentsOf: folder.url), model)
  }
}
