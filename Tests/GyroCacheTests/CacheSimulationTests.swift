import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

/// Training through a cache.
@Suite struct CacheSimulationTests {
  private let model: Llama
  private let parameters: ParameterStore
  private let window: TokenWindow
  private let targets: [Int32]

  init() {
    var configuration = LlamaConfiguration(
      vocabulary: 61, hidden: 32, feedForward: 48, layers: 2, heads: 2, headSize: 16, context: 64)
    configuration.initializerDeviation = 0.2
    (model, parameters) = Llama.initialized(configuration, seed: 5)
    var random = RandomStream(seed: 2)
    let ids = (0..<65).map { _ in Int32(random.integer(below: 61)) }
    window = TokenWindow(Array(ids.dropLast()), batch: 1, length: 64)
    targets = Array(ids.dropFirst())
  }

  /// A head's rows whose largest magnitude is a power of two times 7: the scale is a Float16 without
  /// any rounding, so the two definitions must agree to the bit.
  @Test func aSymmetricCacheHoldsWhatTheSchemesRuleGives() throws {
    var random = RandomStream(seed: 9)
    var x = random.uniform([24, 64], in: -1..<1)
    x.withMutableElements { element in
      for head in 0..<24 * 4 {
        let power = Float(sign: .plus, exponent: head % 7 - 3, significand: 1)
        for place in head * 16..<(head + 1) * 16 { element[place] *= 6.9 * power }
        element[head * 16 + head % 16] = (head % 2 == 0 ? 7 : -7) * power
      }
    }
    let shape = try CacheShape(keyValueHeads: 4, headSize: 16, capacity: 24)
    var cache = try IntegerKeyCache(
      shape, CacheSettings(CacheSpecification("int4:symmetric")).integerSchemes(headSize: 16).keys)
    try cache.append(x)
    let quantizer = try Quantizer(IntegerFormat.int4, .head(size: 16), scaleFormat: .float16)
    expectSameBits(cache.decoded(), try quantizer.projected(x))
  }

  /// On any numbers: the scales differ by a Float16's rounding at most, which moves few numbers to
  /// another code: at 8 bits that is as much as rounding itself, at 4 hardly anything.
  @Test(arguments: [(bits: 8, share: 1), (bits: 4, share: 0.05)])
  func aSymmetricCacheAndTheSchemesRuleAgree(_ bits: Int, _ share: Double) throws {
    let rule = QuantizationRule(
      format: "int\(bits)", granularity: .head(size: 16), scale: .float16)
    let plan = try QuantizationPlan(
      QuantizationScheme(keys: rule, values: rule), for: parameters)
    let simulated = try CacheSimulation(CacheSpecification("int\(bits):symmetric"))
    func logits(_ instrumentation: any Instrumentation) -> [Float] {
      model(window, ForwardPass(parameters, instrumentation: instrumentation)).value.elements
    }
    let byPlan = logits(plan)
    let rounding = relativeError(logits(NoInstrumentation()), byPlan)
    let difference = relativeError(logits(simulated), byPlan)
    #expect(rounding > 0 && difference < share * rounding, "\(difference), \(rounding)")
    let (a, b) = (try loss(plan).gradients, try loss(simulated).gradients)
    for path: ParameterPath in [
      "model.layers.0.self_attn.k_proj.weight", "model.layers.1.self_attn.v_proj.weight",
    ] {
      #expect(relativeError(a[path]!.elements, b[path]!.elements) < 0.01)
    }
  }

  private func loss(_ instrumentation: any Instrumentation) throws -> Differentiation {
    try differentiate(
      parameters, mode: .training(step: 0), instrumentation: instrumentation
    ) { model.nextTokenLoss(window, targets: targets, $0) }
  }

  /// What is trained is what attention through the packed cache computes.
  @Test(arguments: [
    "float32", "float16", "int8", "int4", "int4:symmetric", "rotated-int3:values=4", "rotated-int2",
  ])
  func theLossTrainedIsTheLossThroughTheCache(_ name: String) throws {
    let specification = try CacheSpecification(name)
    let trained = try loss(CacheSimulation(specification))
    var cache = try GenerationCache(specification, for: model.configuration, capacity: 64)
    let logits = try model(window, ForwardPass(parameters), continuing: &cache)
    let measured = logits.crossEntropy(targets: targets).value.item
    #expect(abs(trained.loss - measured) < 1e-3 * measured, "\(trained.loss), \(measured)")
    let gradient = try #require(trained.gradients["model.layers.0.self_attn.k_proj.weight"])
    #expect(gradient.elements.contains { $0 != 0 } && gradient.elements.allSatisfy(\.isFinite))
  }

  @Test func whatCannotBeTrainedSaysWhyAndWhatCan() throws {
    for name in ["qjl", "turbo", "turbo:bits=2.5", "turbo-prod", "polar", "kivi", "int4:window=8"] {
      let specification = try CacheSpecification(name)
      let error = #expect(throws: CacheError.self) { try CacheSimulation(specification) }
      guard case .untrainable(name, _) = error else {
        Issue.record("\(name): \(String(describing: error))")
        continue
      }
    }
    let error = #expect(throws: CacheError.self) {
      try CacheSimulation(CacheSpecification("turbo:bits=3"))
    }
    #expect(
      error?.description
        == "training cannot go through the cache 'turbo:bits=3': its codes are levels of a rotated "
        + "direction; straight-through gradients are defined for whole numbers only; train with int8, "
        + "int4, int3, int2 or their rotated forms without a window, and use 'turbo:bits=3' afterwards"
    )
  }

  @Test func numbersThatAreNotFiniteStopTheStep() throws {
    var broken = parameters
    let path = ParameterPath("model.layers.1.self_attn.k_proj.weight")
    broken[path] = broken[path] * Float.infinity
    let error = #expect(throws: NumericFault.self) {
      try differentiate(
        broken, mode: .training(step: 0),
        instrumentation: CacheSimulation(CacheSpecification("int4"))
      ) { model.nextTokenLoss(window, targets: targets, $0) }
    }
    #expect(error?.path == "model.layers.1.self_attn.keys")
  }
}
