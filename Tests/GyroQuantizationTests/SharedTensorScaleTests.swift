import GyroAutodiff
import GyroModels
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

@Suite("Weights that runtimes fuse share the scale of the tensor, where scales have two levels")
struct SharedTensorScaleTests {
  private static let attention = "model.layers.0.self_attn.", feedForward = "model.layers.0.mlp."
  private static let fused: [[ParameterPath]] = [
    ["q_proj", "k_proj", "v_proj"].map { ParameterPath(attention + $0 + ".weight") },
    ["gate_proj", "up_proj"].map { ParameterPath(feedForward + $0 + ".weight") },
  ]
  private static let alone: [ParameterPath] = [
    ParameterPath(attention + "o_proj.weight"), ParameterPath(feedForward + "down_proj.weight"),
    "lm_head.weight",
  ]
  private static let nvfp4 = QuantizationScheme(
    weights: QuantizationRule(format: "nvfp4"), activations: QuantizationRule(format: "nvfp4"))

  /// The model of the shipping tests, with weights of very different sizes.
  private static func model(
    _ scheme: QuantizationScheme
  ) throws -> (model: Llama, parameters: ParameterStore, plan: QuantizationPlan) {
    var (model, parameters) = Llama.initialized(ShippingTests.configuration, seed: 1)
    for (path, factor) in zip(fused[0] + fused[1], [3, 0.25, 1, 1, 40] as [Float]) {
      parameters.update(path) { $0.scale(by: factor) }
    }
    let plan = try QuantizationPlan(scheme, for: parameters)
    try plan.prepare(&parameters)
    return (model, parameters, plan)
  }

  private static func codes(
    _ path: ParameterPath, _ parameters: ParameterStore
  ) throws -> QuantizedTensor {
    try #require(parameters[path].encoded as? QuantizedTensor, "\(path) carries no codes")
  }

  /// The scale that a weight needs for itself.
  private static func own(_ weight: Tensor, _ rule: QuantizationRule) throws -> Float {
    let quantizer = try rule.quantizer(for: "weights", allowed: GranularityKind.ofWeights)
    return try quantizer.scales(covering: weight).tensorScale
  }

  // MARK: What is shared

  @Test("a Llama declares q, k and v, and gate and up, layer by layer")
  func declared() {
    let (_, parameters) = Llama.initialized(ShippingTests.configuration, seed: 1)
    #expect(parameters.fusions == Self.fused)
  }

  /// Rules with scales of two levels whose estimators find, keep or learn ranges.
  static let rules: [QuantizationRule] = [
    QuantizationRule(format: "nvfp4"),
    QuantizationRule(format: "nvfp4", estimator: "clip"),
    QuantizationRule(format: "nvfp4", isDynamic: true, estimator: "clipped"),
    QuantizationRule(format: "nvfp4", isDynamic: false),
    QuantizationRule(format: "nvfp4", range: .clipSearch),
    QuantizationRule(format: "nvfp4", range: .meanSquare()),
    QuantizationRule(format: "nvfp4", range: .percentile(99)),
    QuantizationRule(format: "nvfp4", estimator: "lsq"),
    QuantizationRule(format: "nvfp4", estimator: "lsq+"),
    QuantizationRule(format: "nvfp4", estimator: "learned-range"),
    QuantizationRule(format: "int4", granularity: .group(32), scale: .e4m3),
    QuantizationRule(format: "int4", granularity: .group(32), scale: .e4m3, isSymmetric: false),
    QuantizationRule(format: "int4", granularity: .channel, scale: .e4m3),
    QuantizationRule(format: "e2m1", granularity: .block(rows: 16, columns: 32), scale: .e4m3),
  ]

  @Test("one scale for each fused matrix, the largest that a part needs", arguments: rules)
  func shared(_ rule: QuantizationRule) throws {
    let (_, parameters, plan) = try Self.model(QuantizationScheme(weights: rule))
    let frozen = try plan.frozen(parameters)
    for group in Self.fused {
      let scales = try group.map { try Self.codes($0, frozen).scales.tensorScale }
      #expect(Set(scales).count == 1, "\(rule.summary): \(scales)")
      if rule.range == .minMax, rule.estimator != "learned-range" {
        let needed = try group.map { try Self.own(parameters[$0], rule) }
        #expect(Set(needed).count == group.count && scales[0] == needed.max())
      }
      for path in group { #expect(plan.weights(sharingTensorScaleWith: path) == group) }
    }
  }

  @Test("training, watching and shipping compute the same bits", arguments: rules)
  func trainedIsShipped(_ rule: QuantizationRule) throws {
    let (model, parameters, plan) = try Self.model(QuantizationScheme(weights: rule))
    let pass = ForwardPass(parameters, mode: .training(step: 0), instrumentation: plan)
    let trained = model(ShippingTests.tokens, pass).value
    #expect(pass.fault == nil)
    let frozen = try plan.frozen(parameters)
    let shipped = model(ShippingTests.tokens, ForwardPass(frozen, instrumentation: plan)).value
    expectSame(trained.elements, shipped.elements, rule.summary)
    for path in Self.fused.joined() {
      let value = plan.weight(
        pass.raw(pass.parameter(at: path)!), of: pass.parameter(at: path)!, pass)
      let codes = try Self.codes(path, frozen)
      expectSame(value.value.elements, codes.tensor.elements, path.name)
      let watched = try #require(try plan.codes(of: path, in: parameters, step: 0))
      #expect(watched.codeArray == codes.codeArray)
      #expect(watched.scales.tensorScale == codes.scales.tensorScale)
    }
  }

  @Test("the scale follows the weights, and its gradient stays straight through")
  func follows() throws {
    var (model, parameters, plan) = try Self.model(Self.nvfp4)
    let before = try Self.codes(Self.fused[0][1], plan.frozen(parameters)).scales.tensorScale
    parameters.update(Self.fused[0][2]) { $0.scale(by: 64) }
    let after = try plan.frozen(parameters)
    for path in Self.fused[0] {
      #expect(try Self.codes(path, after).scales.tensorScale > before)
    }
    // Identity: the gradient of a weight is that of what stands for it.
    let path = Self.fused[0][1]
    let result = try differentiate(
      parameters, mode: .training(step: 0), instrumentation: plan
    ) { model.nextTokenLoss(ShippingTests.tokens, targets: [2, 3, 4, 5, 6, 7], $0) }
    let reference = try differentiate(
      after, mode: .training(step: 0), instrumentation: plan
    ) { model.nextTokenLoss(ShippingTests.tokens, targets: [2, 3, 4, 5, 6, 7], $0) }
    expectSame(
      try #require(result.gradients[path]).elements,
      try #require(reference.gradients[path]).elements, path.name)
  }

  // MARK: What is not

  @Test("a weight outside keeps its own scale, bit for bit", arguments: rules)
  func outside(_ rule: QuantizationRule) throws {
    let (_, parameters, plan) = try Self.model(QuantizationScheme(weights: rule))
    var undeclared = ParameterStore()
    for path in parameters.paths {
      let kind = parameters.parameter(at: path)!.kind
      undeclared.declare(path, parameters[path], kind: kind)
    }
    let separate = try QuantizationPlan(QuantizationScheme(weights: rule), for: undeclared)
    let (frozen, plain) = (try plan.frozen(parameters), try separate.frozen(undeclared))
    for path in Self.alone {
      #expect(plan.weights(sharingTensorScaleWith: path).isEmpty)
      let (codes, before) = (try Self.codes(path, frozen), try Self.codes(path, plain))
      #expect(codes.codeArray == before.codeArray)
      expectSame(codes.scales.scales.elements, before.scales.scales.elements, path.name)
      #expect(codes.scales.tensorScale == before.scales.tensorScale)
    }
  }

  @Test("the part that reaches furthest stays as it was")
  func furthest() throws {
    let (_, parameters, plan) = try Self.model(Self.nvfp4)
    let frozen = try plan.frozen(parameters)
    for path in [Self.fused[0][0], Self.fused[1][1]] {
      let quantizer = try #require(plan.quantizer(at: path))
      #expect(quantizer.tensorScale == nil)
      let (codes, own) = (
        try Self.codes(path, frozen), try quantizer.quantized(parameters[path])
      )
      #expect(codes.codeArray == own.codeArray)
      expectSame(codes.tensor.elements, own.tensor.elements, path.name)
    }
  }

  @Test(
    "nothing is shared under scales of one level",
    arguments: ["int8", "int4", "e4m3", "mxfp4", "mxfp8", "nf4"])
  func oneLevel(_ format: String) throws {
    let scheme = QuantizationScheme(weights: QuantizationRule(format: format))
    let (_, parameters, plan) = try Self.model(scheme)
    let frozen = try plan.frozen(parameters)
    for path in Self.fused.joined() {
      #expect(plan.weights(sharingTensorScaleWith: path).isEmpty)
      let quantizer = try #require(plan.quantizer(at: path))
      expectSame(
        frozen[path].elements, try quantizer.projected(parameters[path]).elements, path.name)
    }
  }

  @Test("weights under different rules, or in float, share nothing with the rest")
  func exceptions() throws {
    var scheme = Self.nvfp4
    scheme.keep = ["up_proj"]
    scheme.exceptions = [.init("k_proj", weights: QuantizationRule(format: "mxfp4"))]
    let (_, parameters, plan) = try Self.model(scheme)
    #expect(
      plan.weights(sharingTensorScaleWith: Self.fused[0][0]) == [
        Self.fused[0][0], Self.fused[0][2],
      ])
    for path in [Self.fused[0][1]] + Self.fused[1] {
      #expect(plan.weights(sharingTensorScaleWith: path).isEmpty)
    }
    let gate = try Self.codes(Self.fused[1][0], try plan.frozen(parameters))
    #expect(
      gate.scales.tensorScale
        == (try Self.own(parameters[Self.fused[1][0]], QuantizationRule(format: "nvfp4"))))
  }

  @Test("scales of the tensor that are stored already stay, each its own")
  func stored() throws {
    var (_, parameters, plan) = try Self.model(Self.nvfp4)
    let quantizer = try #require(plan.quantizer(at: Self.fused[0][0]))
    let own = try Self.fused[0].map { try quantizer.quantized(parameters[$0]) }
    for (path, codes) in zip(Self.fused[0], own) { parameters[path] = quantizer.tensor(of: codes) }
    let frozen = try plan.frozen(parameters)
    for (path, codes) in zip(Self.fused[0], own) {
      #expect(try Self.codes(path, frozen).scales.tensorScale == codes.scales.tensorScale)
      expectSame(frozen[path].elements, codes.tensor.elements, path.name)
    }
    // Learned steps train on under the scale that they were stored with.
    var (_, learned, lsq) = try Self.model(
      QuantizationScheme(weights: QuantizationRule(format: "nvfp4", estimator: "lsq")))
    let place = ParameterPath(Self.fused[0][1].name + "_tensor_scale")
    learned[place] = Tensor([1], elements: [learned[place].item * 0.5])
    let kept = try Self.codes(Self.fused[0][1], try lsq.frozen(learned))
    #expect(kept.scales.tensorScale == learned[place].item)
    try lsq.prepare(&learned)
    #expect(kept.scales.tensorScale == learned[place].item)
  }

  // MARK: Odd weights

  @Test("a part of zeros, and a part that is not finite")
  func oddParts() throws {
    var (model, parameters, plan) = try Self.model(Self.nvfp4)
    parameters[Self.fused[0][0]] = .zeros(parameters[Self.fused[0][0]].shape)
    let frozen = try plan.frozen(parameters)
    let scales = try Self.fused[0].map { try Self.codes($0, frozen).scales.tensorScale }
    #expect(Set(scales).count == 1 && scales[0] < 0.01)
    #expect(frozen[Self.fused[0][0]].elements.allSatisfy { $0 == 0 })
    for path in Self.fused[0] { parameters[path] = .zeros(parameters[path].shape) }
    #expect(try Self.codes(Self.fused[0][2], try plan.frozen(parameters)).scales.tensorScale == 1)

    parameters.update(Self.fused[1][1]) { $0 = $0 + Float.nan }
    let pass = ForwardPass(parameters, instrumentation: plan)
    _ = model(ShippingTests.tokens, pass)
    #expect(pass.fault?.path == Self.fused[1][1])
    #expect(throws: QuantizationError.self) { try plan.frozen(parameters) }
  }

  @Test("under a given scale, groups that reach beyond saturate; a search stays within it")
  func given() throws {
    let quantizer = try Quantizer(Minifloat.e2m1, .group(16), scaleFormat: .e4m3)
    var random = RandomStream(seed: 5)
    let x = random.normal([8, 32])
    let own = try quantizer.scales(covering: x)
    let same = quantizer.sharing(tensorScale: own.tensorScale)
    expectSame(try same.projected(x).elements, try quantizer.projected(x).elements, "its own")
    let half = quantizer.sharing(tensorScale: own.tensorScale / 2)
    let largest = try half.projected(x).maximumMagnitude
    #expect(largest == 6 * 448 * (own.tensorScale / 2))
    for method in [RangeMethod.clipSearch, .meanSquare()] {
      let wide = quantizer.sharing(tensorScale: own.tensorScale * 3)
      let ranges = try WeightRanges.ranges(of: x, quantizer: wide, method: method)
      let scales = wide.scales(ranges: ranges)
      #expect(scales.tensorScale == own.tensorScale * 3)
      func error(_ scales: GroupScales) throws -> Double {
        let d = try wide.projected(x, with: scales) - x
        return d.dot(d)
      }
      #expect(try error(scales) <= error(try wide.scales(covering: x)))
    }
  }
}
