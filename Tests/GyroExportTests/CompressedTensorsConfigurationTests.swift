import Foundation
import GyroCheckpoints
import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("What quantization_config says")
struct CompressedTensorsConfigurationTests {
  private func configuration(_ scheme: QuantizationScheme, layers: Int = 2) throws -> [String: Any]
  {
    var shape = SmallModel.configuration
    shape.layers = layers
    shape.tiedEmbeddings = true
    let (model, parameters) = Llama.initialized(shape, seed: 1)
    let shipped = try ShippedModel(
      LanguageModel(model: model, parameters: parameters, scheme: scheme))
    return try #require(CompressedDraft(shipped, ExportOptions()).configuration).json
  }

  private func text(_ value: Any) throws -> String {
    String(
      decoding: try JSONSerialization.data(
        withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes]), as: UTF8.self)
  }

  @Test("one group covers the class of linear layers, a tied head is left out")
  func one() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"),
      activations: QuantizationRule(format: "int8", granularity: .token))
    #expect(
      try text(configuration(scheme)) == """
        {"config_groups":{"group_0":{"format":"int-quantized","input_activations":\
        {"dynamic":true,"num_bits":8,"strategy":"token","symmetric":true,"type":"int"},\
        "output_activations":null,"targets":["Linear"],"weights":{"dynamic":false,"num_bits":8,\
        "strategy":"channel","symmetric":true,"type":"int"}}},"format":"int-quantized",\
        "ignore":["lm_head"],"quant_method":"compressed-tensors","quantization_status":"compressed"}
        """)
  }

  @Test("several groups name their layers, those of all blocks by an expression")
  func several() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .group(32)),
      exceptions: [
        .init("down_proj", weights: QuantizationRule(format: "mxfp4")),
        .init("layers.1.mlp.gate_proj", weights: QuantizationRule(format: "nvfp4")),
      ], keep: ["layers.0.mlp.up_proj"])
    let json = try configuration(scheme)
    #expect(json["format"] as? String == "mixed-precision")
    #expect(json["ignore"] as? [String] == ["model.layers.0.mlp.up_proj", "lm_head"])
    let groups = json["config_groups"] as? [String: [String: Any]] ?? [:]
    #expect(
      groups["group_0"]?["targets"] as? [String] == [
        #"re:model\.layers\.\d+\.self_attn\.q_proj$"#,
        #"re:model\.layers\.\d+\.self_attn\.k_proj$"#,
        #"re:model\.layers\.\d+\.self_attn\.v_proj$"#,
        #"re:model\.layers\.\d+\.self_attn\.o_proj$"#, "model.layers.0.mlp.gate_proj",
        "model.layers.1.mlp.up_proj",
      ])
    #expect(
      groups["group_1"]?["targets"] as? [String] == [#"re:model\.layers\.\d+\.mlp\.down_proj$"#])
    #expect(groups["group_1"]?["format"] as? String == "mxfp4-pack-quantized")
    #expect(groups["group_2"]?["targets"] as? [String] == ["model.layers.1.mlp.gate_proj"])
    let read = try CompressedConfiguration(json, file: "config.json")
    #expect(try text(read.json) == text(json))
    #expect(read.group(of: "model.layers.1.mlp.gate_proj")?.format == "nvfp4-pack-quantized")
    #expect(read.group(of: "model.layers.7.mlp.down_proj")?.format == "mxfp4-pack-quantized")
    #expect(read.group(of: "model.layers.0.mlp.up_proj") == nil)
  }

  @Test("a name counts before an expression, an expression before a class")
  func order() throws {
    func group(_ targets: [String], _ bits: Int) -> [String: Any] {
      ["targets": targets, "weights": ["num_bits": bits]]
    }
    let read = try CompressedConfiguration(
      [
        "ignore": ["re:.*gate"],
        "config_groups": [
          "group_0": group(["Linear"], 8), "group_1": group(["re:.*mlp.*"], 4),
          "group_2": group(["a.mlp.up"], 2),
        ],
      ] as [String: Any], file: "config.json")
    #expect(read.group(of: "a.mlp.up")?.weights?.bits == 2)
    #expect(read.group(of: "a.mlp.down")?.weights?.bits == 4)
    #expect(read.group(of: "a.attn.q")?.weights?.bits == 8)
    #expect(read.group(of: "a.mlp.gate") == nil)
  }

  static let names: [(String, matching: [String], other: [String])] = [
    (".*down_proj$", ["a.down_proj"], ["a.down_proj.b", "down_pro"]),
    (
      #"model\.layers\.(0|[2-4])\.mlp"#, ["model.layers.0.mlp.up", "model.layers.3.mlp"],
      ["model.layers.1.mlp", "xmodel.layers.0.mlp"]
    ),
    ("(gate|up|down)_proj", ["up_proj", "down_proj.weight"], ["a.up_proj", "o_proj"]),
    (#"a\d{2,3}b"#, ["a12b", "a123b"], ["a1b", "a1234b"]),
    ("a(?:bc)+?d?$", ["abc", "abcbcd"], ["a", "abcdd"]),
    ("^[^.]+$", ["lm_head"], ["a.b", ""]), ("", ["", "x"], []),
    ("(a*)*b", [String(repeating: "a", count: 200) + "b"], [String(repeating: "a", count: 2000)]),
    ("x|yz|", ["x", "yz", "q"], []),
  ]

  @Test(
    "expressions match from the beginning of a name, in linear time", arguments: names.indices
  )
  func expressions(_ index: Int) throws {
    let (source, matching, other) = Self.names[index]
    let expression = try TargetExpression(source)
    for name in matching { #expect(expression.matches(name), "\(source) on \(name)") }
    for name in other { #expect(!expression.matches(name), "\(source) on \(name)") }
  }

  @Test(
    "others are refused",
    arguments: [
      "(?=a)", "a**b(", "(a", "a)", "[a", "*", #"\"#, #"\1"#, "a{3", "a{5,2}", "[z-a]",
      String(repeating: "(", count: 100), "((a{1000}){1000}){1000}",
      String(repeating: "a", count: 3000),
    ])
  func refused(_ source: String) {
    #expect(throws: ExportError.self) { try TargetExpression(source) }
  }

  @Test("transforms by name where the runtime has the matrix, else with it")
  func transforms() throws {
    let sylvester = CompressedTransforms.Form(HadamardTransform(size: 64))
    #expect(sylvester.kind == "hadamard" && sylvester.matrix == nil && sylvester.size == 64)
    let blocks = CompressedTransforms.Form(try HadamardTransform(size: 96, blocks: 6))
    #expect(blocks.kind == "hadamard" && blocks.size == 16)
    for transform in [HadamardTransform(size: 12), HadamardTransform(size: 64, signSeed: 3)] {
      let form = CompressedTransforms.Form(transform)
      #expect(form.kind == "random-hadamard" && form.size == transform.size)
      let matrix = try #require(form.matrix)
      #expect(matrix.elements.allSatisfy { abs($0) == 1 })
      // x · matrix / √n is what the model does to a row.
      let x = Tensor([1, form.size], elements: (0..<form.size).map { Float($0 % 7) - 3 })
      let got = x.matmul(matrix).elements.map { $0 / Float(form.size).squareRoot() }
      expectClose(got, transform.applied(to: x).elements)
    }
    let hartley = CompressedTransforms.Form(HadamardTransform(size: 43))
    #expect(hartley.kind == "random-matrix" && hartley.matrix?.shape == [43, 43])
  }

  @Test("what it keeps of activations and caches")
  func fidelity() {
    func kept(_ rule: QuantizationRule, _ kind: Site.Kind = .input) -> String {
      CompressedTensorsExporter().fidelity(
        of: .activation(Site("x", kind: kind, headSize: 32), rule), ExportOptions()
      ).description
    }
    #expect(
      kept(QuantizationRule(format: "int8", granularity: .token))
        == "left to the runtime: kernels of vLLM divide the largest magnitude by 127, as trained; "
        + "transformers by 127.5, as int8-half-range does")
    #expect(
      kept(QuantizationRule(format: "int4-half-range", granularity: .token))
        == "left to the runtime: transformers divides the largest magnitude by 7.5, as trained; "
        + "kernels of vLLM by 7")
    let fixed = QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false)
    #expect(kept(fixed) == "exact" && kept(fixed, .keys) == "exact")
    #expect(kept(QuantizationRule(format: "e4m3", granularity: .token)) == "exact")
    #expect(
      kept(QuantizationRule(format: "int4", granularity: .token, estimator: "clip"))
        == "left to the runtime: the file cannot say what 'clip' does to activations; they stay float"
    )
    #expect(
      kept(fixed, .residual)
        == "left to the runtime: compressed-tensors has no place for residuals; they stay float")
    #expect(
      kept(QuantizationRule(format: "int4", granularity: .token), .values)
        == "left to the runtime: compressed-tensors has no caches per token; they stay float")
  }

  @Test("what it keeps of weights")
  func weights() {
    func kept(_ rule: QuantizationRule, _ kind: Parameter.Kind = .linear) -> Fidelity {
      CompressedTensorsExporter().fidelity(
        of: .weight(Parameter(path: "w", shape: [64, 64], kind: kind), rule), ExportOptions())
    }
    for (rule, _) in carriedRules where rule.format != "nvfp4" { #expect(kept(rule) == .exact) }
    guard case .within(let error, _) = kept(QuantizationRule(format: "nvfp4")) else {
      Issue.record("NVFP4's divisor rounds")
      return
    }
    #expect(error == 0x1p-22)
    for rule in [
      QuantizationRule(format: "nf4"), QuantizationRule(format: "e5m2"),
      QuantizationRule(format: "ternary", estimator: "ttq"),
      QuantizationRule(format: "int8", granularity: .group(32), scale: .e4m3),
    ] {
      guard case .impossible = kept(rule) else {
        Issue.record("\(rule.summary) is \(kept(rule))")
        continue
      }
    }
    #expect(kept(QuantizationRule(format: "nf4"), .embedding) == .exact)
  }

  @Test("the smallest divisor error: a scale comes back from its reciprocal, or its bits are kept")
  func divisor() {
    var random = RandomStream(seed: 4)
    var kept = 0
    for _ in 0..<2000 {
      let scale = 0x1p-10 * (1 + random.uniform())
      let back = 1 / CompressedWeight.divisor(scale)
      #expect(abs(back - scale) <= scale.ulp)
      if back != scale { kept += 1 }
    }
    #expect(kept > 0)
  }
}
