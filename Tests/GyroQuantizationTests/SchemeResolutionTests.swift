import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import Testing

@Suite("Rules, exceptions and sites of a scheme")
struct SchemeResolutionTests {
  private func parameters(tied: Bool = false) -> ParameterStore {
    var configuration = LlamaConfiguration(
      vocabulary: 32, hidden: 16, feedForward: 24, layers: 2, heads: 2, context: 16)
    configuration.tiedEmbeddings = tied
    return Llama.initialized(configuration, seed: 1).parameters
  }

  private func message(_ scheme: QuantizationScheme) -> String? {
    do {
      _ = try QuantizationPlan(scheme, for: parameters())
      return nil
    } catch { return error.description }
  }

  private func rule(
    _ format: String, _ granularity: Granularity? = nil, range: RangeMethod = .minMax,
    estimator: String = "straight-through"
  ) -> QuantizationRule {
    QuantizationRule(format: format, granularity: granularity, range: range, estimator: estimator)
  }

  @Test func `a group that does not divide names the layer, its size and the nearest that does`() {
    #expect(
      message(QuantizationScheme(weights: rule("int4", .group(32))))
        == "model.layers.0.self_attn.q_proj.weight: groups of 32 do not divide its 16 columns; "
        + "the nearest size that does is 16")
  }

  @Test func `formats with bits out of range do not exist`() {
    for format in ["int1", "int9", "uint0", "int16", "e9m1", "e0m3", "pot1", "apot4", "int04"] {
      let text = message(QuantizationScheme(weights: rule(format, .channel)))
      #expect(text?.hasPrefix("weights: unknown number format '\(format)'") == true)
    }
  }

  @Test func `a block format brings its scaling and takes no other`() {
    #expect(rule("mxfp4").granularity == .group(32))
    #expect(rule("nvfp4").scale == .e4m3)
    #expect(
      message(QuantizationScheme(weights: rule("mxfp4", .group(16))))
        == "weights: mxfp4 is defined with one e8m0 scale per group-32, symmetric; "
        + "leave those keys out, or name the element format instead")
  }

  @Test func `only whole numbers can be asymmetric`() {
    let lopsided = QuantizationRule(format: "e4m3", granularity: .token, isSymmetric: false)
    #expect(
      message(QuantizationScheme(activations: lopsided))
        == "e4m3 cannot be asymmetric: only whole numbers have a zero point; "
        + "use int2…int8, or leave out 'symmetric: false'")
  }

  @Test func `an unknown estimator is refused with the known ones`() {
    let text = message(
      QuantizationScheme(weights: rule("int4", .channel, estimator: "straight-trough")))
    #expect(text?.hasPrefix("weights: unknown estimator 'straight-trough'; known are ") == true)
  }

  @Test func `an exception goes before the rule, and keep before both`() throws {
    var scheme = QuantizationScheme.int8
    scheme.exceptions = [
      .init("mlp", weights: rule("int4", .group(8))),
      .init("lm_head", activations: rule("e4m3", .token)),
    ]
    scheme.keep = ["model.layers.1.*"]
    let plan = try QuantizationPlan(scheme, for: parameters())
    let byPath = Dictionary(uniqueKeysWithValues: plan.decisions.map { ($0.path, $0) })
    #expect(byPath["model.layers.0.mlp.up_proj.weight"]?.rule?.format == "int4")
    #expect(byPath["model.layers.0.self_attn.q_proj.weight"]?.rule?.format == "int8")
    #expect(byPath["lm_head.input"]?.rule?.format == "e4m3")
    #expect(byPath["lm_head.weight"]?.rule?.format == "int8")
    #expect(byPath["model.layers.1.mlp.up_proj.weight"]?.reason == "kept by 'model.layers.1.*'")
  }

  @Test func `two exceptions for one tensor conflict`() {
    var scheme = QuantizationScheme.int8
    scheme.exceptions = [
      .init("mlp", weights: rule("int4", .channel)),
      .init("model.layers.0.*", weights: rule("int2", .channel)),
    ]
    #expect(
      message(scheme)
        == "model.layers.0.mlp.gate_proj.weight is covered by two rules, 'mlp' and "
        + "'model.layers.0.*'; make one of the patterns narrower")
  }

  @Test func `a pattern is tied to the beginning by a caret`() {
    let (first, inner): (ParameterPath, ParameterPath) = ("conv1.weight", "layer1.0.conv1.weight")
    #expect(PathPattern("conv1").matches(first) && PathPattern("conv1").matches(inner))
    #expect(PathPattern("^conv1").matches(first) && !PathPattern("^conv1").matches(inner))
    #expect(PathPattern("^conv1.weight").matches(first) && !PathPattern("^conv").matches(first))
  }

  @Test func `a pattern that matches nothing is refused, also one without the part it rules`() {
    var scheme = QuantizationScheme.int8
    scheme.exceptions = [.init("mpl", weights: rule("int4", .channel))]
    #expect(
      message(scheme)?.hasPrefix("rules[0].match: the pattern 'mpl' matches no weight") == true)
    scheme.exceptions = [.init("self_attn.keys", weights: rule("int4", .channel))]
    #expect(message(scheme)?.hasPrefix("rules[0].match: the pattern 'self_attn.keys'") == true)
  }

  @Test func `a static range has one group per site`() {
    let text = message(
      QuantizationScheme(activations: rule("int8", .token, range: .percentile(99.9))))
    #expect(
      text == "activations, whose range is found once: granularity 'token' is not possible here; "
        + "use tensor, or a dynamic range")
  }

  @Test func `a format without negative values is refused where there are some`() throws {
    let text =
      "values can be negative, and uint8 has none below 0; "
      + "use a signed format, or 'symmetric: false' for whole numbers"
    #expect(message(QuantizationScheme(weights: rule("uint8", .channel))) == "weights: " + text)
    let configuration = LlamaConfiguration(
      vocabulary: 32, hidden: 16, feedForward: 24, layers: 1, heads: 2, context: 16)
    let (model, parameters) = Llama.initialized(configuration, seed: 1)
    let plan = try QuantizationPlan(
      QuantizationScheme(weights: rule("int8", .channel), activations: rule("uint8", .token)),
      for: parameters)
    let pass = ForwardPass(parameters, instrumentation: plan)
    _ = model(TokenWindow([1, 2, 3], batch: 1, length: 3), pass)
    #expect(pass.fault?.what == "model.layers.0.self_attn.input: " + text)
  }

  @Test func `a range that is kept or found once cannot follow the data`() {
    let learned = QuantizationRule(format: "int4", isDynamic: true, estimator: "lsq")
    #expect(
      message(QuantizationScheme(weights: learned))
        == "weights: 'lsq' keeps its range, so it cannot be dynamic; leave out 'dynamic: true'")
    let searched = QuantizationRule(format: "int4", range: .clipSearch, isDynamic: true)
    #expect(
      message(QuantizationScheme(weights: searched))
        == "weights: 'clip-search' is found once, so it cannot be dynamic; "
        + "leave out 'dynamic: true'")
  }

  @Test func `an activation whose groups do not divide stops the pass with the nearest size`()
    throws
  {
    let configuration = LlamaConfiguration(
      vocabulary: 32, hidden: 16, feedForward: 24, layers: 1, heads: 2, context: 16)
    let (model, parameters) = Llama.initialized(configuration, seed: 1)
    let plan = try QuantizationPlan(
      QuantizationScheme(
        weights: rule("int8", .channel), activations: rule("int8", .group(16))), for: parameters)
    let pass = ForwardPass(parameters, instrumentation: plan)
    _ = model(TokenWindow([1, 2, 3], batch: 1, length: 3), pass)
    #expect(
      pass.fault?.what == "model.layers.0.mlp.down_proj.input: groups of 16 do not divide its 24 "
        + "columns; the nearest size that does is 12")
  }

  @Test func `every kind of site can be covered`() throws {
    var scheme = QuantizationScheme(
      activations: rule("int8", .token), keys: rule("int4", .head(size: 8)),
      values: rule("int4", .token))
    scheme.sites = [.residual, .attention, .embedding, .logits]
    let plan = try QuantizationPlan(scheme, for: parameters())
    let rules = plan.decisions.filter { $0.shape == nil && $0.rule != nil }.map(\.path.name)
    #expect(
      Set(rules) == [
        "model.embed_tokens.output", "lm_head.output",
        "model.layers.0.self_attn.residual", "model.layers.1.self_attn.residual",
        "model.layers.0.mlp.residual", "model.layers.1.mlp.residual",
        "model.layers.0.self_attn.probabilities", "model.layers.1.self_attn.probabilities",
        "model.layers.0.self_attn.keys", "model.layers.1.self_attn.keys",
        "model.layers.0.self_attn.values", "model.layers.1.self_attn.values",
      ])
  }

  @Test func `an embedding table that is quantized makes a tied head's input quantized too`() throws
  {
    var scheme = QuantizationScheme.int8
    scheme.embeddings = rule("int8", .channel)
    let plan = try QuantizationPlan(scheme, for: parameters(tied: true))
    let byPath = Dictionary(uniqueKeysWithValues: plan.decisions.map { ($0.path, $0) })
    #expect(byPath["model.embed_tokens.weight"]?.rule != nil)
    #expect(byPath["lm_head.input"]?.rule == scheme.activations)
  }

  @Test func `attention with probabilities shown computes what the fused kernel computes`() throws {
    struct Watching: Instrumentation {
      func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }
      func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable { value }
      func wants(_ site: Site) -> Bool { site.kind == .attention }
    }
    let configuration = LlamaConfiguration(
      vocabulary: 32, hidden: 16, feedForward: 24, layers: 2, heads: 4, keyValueHeads: 2,
      context: 16)
    let (model, parameters) = Llama.initialized(configuration, seed: 3)
    let tokens = TokenWindow([1, 2, 3, 4, 5, 6], batch: 2, length: 3)
    let fused = model(tokens, ForwardPass(parameters)).value.elements
    let shown = model(tokens, ForwardPass(parameters, instrumentation: Watching())).value.elements
    for (a, b) in zip(fused, shown) { #expect(abs(a - b) < 1e-5) }
  }

  @Test func `the table shows runs of layers as one line`() throws {
    let table = try QuantizationPlan(.int8, for: parameters()).table
    let lines = table.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("model.layers.{0…1}.mlp.up_proj.weight  [24, 16]  ") })
    #expect(lines.contains { $0.hasSuffix("float: 'residuals' is not among the scheme's sites") })
  }
}
