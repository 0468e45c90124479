import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import Synchronization
import TestSupport
import Testing

@testable import GyroPostTraining

private let configuration = LlamaConfiguration(
  vocabulary: 50, hidden: 32, feedForward: 48, layers: 2, heads: 4, keyValueHeads: 2, context: 32)

private func model(
  _ configuration: LlamaConfiguration = configuration
) -> (model: Llama, parameters: ParameterStore) {
  var (model, store) = Llama.initialized(configuration, seed: 7)
  for path in store.paths {
    guard [.linear, .embedding].contains(store.parameter(at: path)!.kind) else { continue }
    store.update(path) { $0.scale(by: 8) }  // so that layers do something
  }
  return (model, store)
}

private func windows(_ count: Int, length: Int = 16) -> [TokenWindow] {
  var random = RandomStream(seed: 21)
  return (0..<count).map { _ in
    TokenWindow(
      (0..<2 * length).map { _ in Int32(random.integer(below: 50)) }, batch: 2, length: length)
  }
}

private func scheme(
  _ weights: QuantizationRule, activations: QuantizationRule? = nil, keep: [PathPattern] = []
) -> QuantizationScheme {
  QuantizationScheme(weights: weights, activations: activations, keep: keep)
}

private let int3 = QuantizationRule(format: "int3", granularity: .channel)

/// Puts what it saw at a site aside; otherwise what it wraps.
private final class Witness: Instrumentation {
  let plan: QuantizationPlan
  let site: ParameterPath
  let seen = Mutex<Tensor?>(nil)

  init(_ plan: QuantizationPlan, at site: ParameterPath) {
    self.plan = plan
    self.site = site
  }

  func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let result = plan.activation(value, at: site, pass)
    if site.path == self.site { seen.withLock { $0 = result.value } }
    return result
  }
}

@Suite struct LlamaBlockTests {
  @Test(arguments: [false, true]) func theModelInPiecesIsTheModel(_ isTied: Bool) {
    var configuration = configuration
    configuration.tiedEmbeddings = isTied
    let (model, store) = model(configuration)
    let window = windows(1)[0]
    let whole = model(window, ForwardPass(store)).value
    let pass = ForwardPass(store)
    var hidden = model.embed(window, pass)
    for index in 0..<model.blockCount { hidden = model.block(index, hidden, pass) }
    expectSameBits(model.head(hidden, pass).value, whole)
    #expect(model.blockCount == 2)
    for path in store.paths where path.name.contains("layers.1.") {
      #expect(path.name.hasPrefix(Llama.path(ofBlock: 1).name + "."))
    }
  }
}

@Suite struct GPTQLlamaTests {
  private func rounded(
    _ scheme: QuantizationScheme, _ gptq: GPTQ = GPTQ(),
    _ options: CalibrationOptions = CalibrationOptions()
  ) throws -> (outcome: GPTQOutcome, plan: QuantizationPlan, float: ParameterStore) {
    let (model, store) = model()
    let plan = try QuantizationPlan(scheme, for: store)
    let outcome = try gptq.quantize(
      model, store, under: plan, calibratedOn: windows(8), options)
    return (outcome, plan, store)
  }

  @Test func whatIsRoundedIsLeftAloneByThePlan() throws {
    for rule in [
      int3, QuantizationRule(format: "int4", granularity: .group(16), isSymmetric: false),
      QuantizationRule(format: "nvfp4"), QuantizationRule(format: "nf4", range: .meanSquare()),
    ] {
      let (outcome, plan, float) = try rounded(scheme(rule))
      let frozen = try plan.frozen(outcome.parameters)
      for path in float.paths {
        expectSameBits(frozen[path], outcome.parameters[path], path.name)
        if float.parameter(at: path)!.kind == .linear {
          let quantizer = plan.quantizer(at: path)!
          #expect(frozen[path].encoded != nil)
          let codes = try #require(quantizer.codes(of: frozen[path]))
          expectSameBits(codes.tensor, frozen[path], path.name)
        } else {
          expectSameBits(frozen[path], float[path], path.name)
        }
      }
      let window = windows(1)[0], (model, _) = model()
      expectSameBits(
        model(window, ForwardPass(frozen, instrumentation: plan)).value,
        model(window, ForwardPass(outcome.parameters, instrumentation: plan)).value)
    }
  }

  @Test(arguments: [
    QuantizationRule(format: "nvfp4"), QuantizationRule(format: "nvfp4", range: .clipSearch),
    QuantizationRule(format: "nvfp4", isDynamic: false),
  ]) func fusedWeightsShareTheScaleOfTheTensor(_ rule: QuantizationRule) throws {
    let variants = [
      (GPTQ(), CalibrationOptions(activations: .float)),
      (GPTQ(ordersByActivation: true), CalibrationOptions(activations: .quantized)),
      (GPTQ(), CalibrationOptions(activations: .quantized, correctsInputs: true)),
    ]
    for (gptq, options) in variants {
      let (outcome, plan, float) = try rounded(
        scheme(rule, activations: QuantizationRule(format: "nvfp4")), gptq, options)
      for fused in float.fusions {
        let scales = fused.map {
          (outcome.parameters[$0].encoded as! QuantizedTensor).scales.tensorScale
        }
        #expect(Set(scales).count == 1, "\(fused[0]): \(scales)")
        let quantizer = try #require(plan.quantizer(at: fused[0]))
        let own = try fused.map { try quantizer.scales(covering: float[$0]).tensorScale }
        #expect(Set(own).count == fused.count)
        // Weights that make up for the error of their inputs reach elsewhere.
        if !options.correctsInputs { #expect(scales[0] == own.max()) }
      }
    }
  }

  @Test func weightsComeInTheOrderOfTheComputation() throws {
    let (outcome, _, _) = try rounded(scheme(int3))
    let block = [
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    ]
    let expected = (0..<2).flatMap { layer in block.map { "model.layers.\(layer).\($0).weight" } }
    #expect(outcome.layers.map(\.path.name) == expected + ["lm_head.weight"])
    #expect(outcome.layers.allSatisfy { $0.samples == 256 && $0.damping == 0.01 })
    #expect(outcome.layers[0].rule == "int3 per channel")
    let gain = outcome.layers.reduce(0) { $0 + $1.gain } / Double(outcome.layers.count)
    #expect(gain > 0.2, "\(gain)")
  }

  /// `down_proj` of the second block, from a pass of one's own over everything before it rounded.
  @Test(arguments: CalibrationOptions.Activations.allCases)
  func aLayerIsFedByItsRoundedPredecessors(_ kind: CalibrationOptions.Activations) throws {
    let scheme = scheme(
      int3, activations: QuantizationRule(format: "int4", granularity: .token))
    let options = CalibrationOptions(activations: kind)
    let (outcome, plan, float) = try rounded(scheme, GPTQ(), options)
    let path: ParameterPath = "model.layers.1.mlp.down_proj.weight"
    var before = outcome.parameters
    before[path] = float[path]
    let floatPlan = try QuantizationPlan(QuantizationScheme(weights: int3), for: float)
    let (model, _) = model()
    var hessian = Hessian(size: 48)
    for window in windows(8) {
      let witness = Witness(
        kind == .quantized ? plan : floatPlan, at: "model.layers.1.mlp.down_proj.input")
      _ = model(window, ForwardPass(before, instrumentation: witness))
      try hessian.accumulate(witness.seen.withLock { $0! })
    }
    let expected = try GPTQ().quantized(
      float[path], hessian: hessian, quantizer: plan.quantizer(at: path)!)
    expectSameBits(outcome.parameters[path], expected.codes.tensor)
  }

  @Test func quantizedActivationsChangeTheHessian() throws {
    let scheme = scheme(int3, activations: QuantizationRule(format: "int2", granularity: .token))
    let float = try rounded(scheme).outcome
    let quantized = try rounded(scheme, GPTQ(), CalibrationOptions(activations: .quantized)).outcome
    #expect(zip(float.layers, quantized.layers).contains { $0.loss != $1.loss })
  }

  @Test func withoutSequenceTheFirstLayersAreTheSame() throws {
    let one = try rounded(scheme(int3)).outcome
    let other = try rounded(scheme(int3), GPTQ(), CalibrationOptions(isSequential: false)).outcome
    #expect(one.layers.map(\.path) == other.layers.map(\.path))
    let (first, last) = (one.layers[0].path, one.layers[13].path)
    expectSameBits(one.parameters[first], other.parameters[first])
    #expect(one.parameters[last].elements != other.parameters[last].elements)
  }

  @Test func scalesThatWereLearnedAreKept() throws {
    let (model, float) = model()
    let rule = QuantizationRule(
      format: "int3", granularity: .channel, range: .clipSearch, estimator: "lsq")
    let plan = try QuantizationPlan(scheme(rule), for: float)
    var store = float
    try plan.prepare(&store)
    let path: ParameterPath = "model.layers.0.self_attn.q_proj.weight"
    let scalePath = ParameterPath(path.name + "_scale")
    store.update(scalePath) { $0.scale(by: 0.9) }
    let learned = store[scalePath]
    let outcome = try GPTQ().quantize(model, store, under: plan, calibratedOn: windows(8))
    let frozen = try plan.frozen(outcome.parameters)
    #expect(!frozen.contains(scalePath))
    let codes = try #require(plan.quantizer(at: path)!.codes(of: frozen[path]))
    expectSame(codes.scales.scales.elements, learned.elements)
  }

  @Test func keptAndEncodedWeightsStay() throws {
    let (model, float) = model()
    let plan = try QuantizationPlan(scheme(int3, keep: ["mlp", "lm_head"]), for: float)
    var store = float
    let path: ParameterPath = "model.layers.0.self_attn.k_proj.weight"
    store[path] = try plan.frozen(store)[path]
    let outcome = try GPTQ().quantize(model, store, under: plan, calibratedOn: windows(8))
    #expect(outcome.layers.count == 7)
    expectSameBits(outcome.parameters[path], store[path])
    #expect(outcome.parameters["model.layers.0.mlp.up_proj.weight"].encoded == nil)
  }

  // MARK: What goes wrong

  private struct Stopped: Error {}

  @Test func progressCanStopTheWork() throws {
    let (model, store) = model()
    let plan = try QuantizationPlan(scheme(int3), for: store)
    var calls: [CalibrationProgress] = []
    #expect(throws: Stopped.self) {
      try GPTQ().quantize(model, store, under: plan, calibratedOn: windows(8)) { progress in
        calls.append(progress)
        if progress.weights == 4 { throw Stopped() }
      }
    }
    #expect(calls[0].path == "model.layers.0.self_attn.input")
    #expect(calls[0].allWeights == 15 && calls[0].allSamples == 8)
    #expect(calls.last?.path == "model.layers.0.self_attn.o_proj.weight")
  }

  private func message(
    _ scheme: QuantizationScheme, windows count: Int = 8,
    _ change: (inout ParameterStore) -> Void = { _ in }
  ) throws -> String {
    var (model, store) = model()
    change(&store)
    let plan = try QuantizationPlan(scheme, for: store)
    let error = #expect(throws: PostTrainingError.self) {
      try GPTQ().quantize(model, store, under: plan, calibratedOn: windows(count))
    }
    return error?.description ?? ""
  }

  @Test func errorsSayWhatToDo() throws {
    #expect(
      try message(scheme(int3), windows: 1)
        == "32 tokens of calibration text do not determine the Hessian of a layer with 48 inputs; "
        + "use at least 48 tokens, better 32 times as many")
    #expect(
      try message(QuantizationScheme())
        == "the scheme leaves all weights of linear layers and convolutions float; "
        + "give it a rule for weights")
    #expect(
      try message(scheme(int3)) { store in
        store.update("model.layers.1.post_attention_layernorm.weight") { weight in
          weight.withMutableElements { $0[5] = .nan }
        }
      }
        == "model.layers.1.mlp.input: the calibration inputs hold a NaN or an infinity in column 5; "
        + "look for the layer it comes from")
    #expect(
      try message(
        scheme(QuantizationRule(format: "int3", granularity: .channel, estimator: "dorefa")))
        == "model.layers.0.self_attn.q_proj.weight: the estimator 'dorefa' transforms weights before "
        + "it rounds them; use 'straight-through' or a learned scale such as 'lsq'")
  }
}
