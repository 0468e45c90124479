import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("ONNX graphs")
struct ONNXGraphTests {
  /// What an interpreter of the operators computes is what the model computes. Rounding to a grid can
  /// tip over where a product's last bits differ; with these numbers it does not.
  private func expectEqualLogits(_ model: ShippedModel) throws {
    let graph = try ONNXModels.graph(model)
    var interpreter = ONNXInterpreter(graph.message(named: "model"))
    let logits = try #require(interpreter.run(ONNXModels.inputs(model))["logits"])
    let expected = ONNXModels.logits(model)
    expectClose(
      logits, expected, relative: 1e-4, absolute: 1e-4 * expected.maximumMagnitude,
      model.scheme?.summary ?? "float")
  }

  @Test("A float model's graph computes its logits, for every member of the family")
  func families() throws {
    let changes: [(inout LlamaConfiguration) -> Void] = [
      { $0.tiedEmbeddings = false }, { $0.keyValueHeads = $0.heads },
      {
        $0.family = .qwen2
        $0.queryKeyValueBias = true
      },
      {
        $0.family = .qwen3
        $0.queryKeyNorm = true
      },
      {
        $0.queryKeyValueBias = true
        $0.outputBias = true
        $0.feedForwardBias = true
      },
      { $0.rotaryScaling = .linear(factor: 4) },
      {
        $0.rotaryScaling = .llama3(
          factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 4)
      },
    ]
    for change in changes { try expectEqualLogits(ONNXModels.language(nil, change)) }
  }

  @Test("A classifier's graph computes its logits", arguments: ONNXModels.images)
  func classifiers(_ configuration: ImageModelConfiguration) throws {
    try expectEqualLogits(ONNXModels.image(configuration, nil))
    let weights = QuantizationRule(format: "int8", granularity: .channel)
    for isSymmetric in [false, true] {
      let scheme = QuantizationScheme(
        weights: weights,
        activations: QuantizationRule(
          format: "int8", granularity: .tensor, isSymmetric: isSymmetric, isDynamic: false),
        sites: [.input, .residual])
      try expectEqualLogits(ONNXModels.image(configuration, scheme))
    }
  }

  @Test("Weights are decoded to what was trained", arguments: ONNXModels.weights)
  func weights(_ scheme: QuantizationScheme) throws {
    let model = try ONNXModels.language(scheme)
    try expectEqualLogits(model)
    // The numbers themselves, bit for bit.
    let path: ParameterPath = "model.layers.0.mlp.down_proj.weight"
    let codes = try #require(model.codes(at: path))
    for isTransposed in [false, true] {
      var graph = ONNXGraph()
      let value = graph.weight("w", codes, isTransposed: isTransposed)
      graph.output(value, as: "w_values", [.fixed(32), .fixed(32)])
      var interpreter = ONNXInterpreter(graph.message(named: "weight"))
      let values = try #require(interpreter.run([:])["w_values"])
      let decoded = isTransposed ? values.transposed().contiguous() : values
      expectSameBits(decoded, codes.tensor, codes.format.name)
    }
  }

  @Test(
    "Activations, keys and values are rounded as in training", arguments: ONNXModels.activations)
  func activations(_ scheme: QuantizationScheme) throws {
    try expectEqualLogits(ONNXModels.language(scheme))
  }

  @Test("Every site there is can be quantized")
  func sites() throws {
    let token = QuantizationRule(format: "int8", granularity: .token)
    try expectEqualLogits(
      ONNXModels.language(
        QuantizationScheme(
          weights: QuantizationRule(format: "int8", granularity: .channel), activations: token,
          keys: token, values: token, sites: Set(Site.Kind.allCases))))
  }

  @Test("Online transforms are products with their matrices")
  func transforms() throws {
    for block in [nil, 8] {
      var scheme = QuantizationScheme(
        weights: QuantizationRule(format: "int8", granularity: .channel))
      scheme.rotations = RotationRule(
        [.residual, .values, .keys, .feedForward], signSeed: 7, blockSize: block)
      try expectEqualLogits(ONNXModels.language(scheme))
    }
  }

  @Test("Each name is defined once and before it is used, and everything stored is used")
  func order() throws {
    for scheme in ONNXModels.weights + ONNXModels.activations {
      let graph = try ONNXModels.graph(ONNXModels.language(scheme)).message(named: "model")
      var known = Set(graph.initializer.map(\.name)).union(graph.input.map(\.name))
      #expect(known.count == graph.initializer.count + graph.input.count)
      var used: Set<String> = []
      for node in graph.node {
        #expect(node.input.allSatisfy(known.contains), "\(node.name)")
        #expect(known.isDisjoint(with: node.output))
        known.formUnion(node.output)
        used.formUnion(node.input)
      }
      #expect(graph.output.allSatisfy { known.contains($0.name) })
      #expect(graph.initializer.allSatisfy { used.contains($0.name) })
    }
  }

  @Test("The operator set is as low as the content allows")
  func versions() throws {
    func version(_ weights: QuantizationRule?, _ activations: QuantizationRule? = nil) throws
      -> Int64
    {
      let scheme = weights.map { QuantizationScheme(weights: $0, activations: activations) }
      return try ONNXModels.graph(ONNXModels.language(scheme)).operatorSet
    }
    let token = QuantizationRule(format: "e4m3", granularity: .token)
    let channel = QuantizationRule(format: "int8", granularity: .channel)
    #expect(try version(nil) == 13)
    #expect(try version(channel, QuantizationRule(format: "int8", granularity: .token)) == 13)
    #expect(try version(channel, token) == 19)
    #expect(try version(QuantizationRule(format: "e5m2", granularity: .channel)) == 19)
    #expect(try version(QuantizationRule(format: "int4", granularity: .channel)) == 21)
    #expect(try version(QuantizationRule(format: "int8", granularity: .group(16))) == 21)
  }
}
