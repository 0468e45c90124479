import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

/// Llama through caches of every kind.
@Suite struct ModelCacheTests {
  private let model: Llama
  private let parameters: ParameterStore
  private let window: TokenWindow

  init() {
    // Two query heads share each pair of keys and values.
    var configuration = LlamaConfiguration(
      vocabulary: 61, hidden: 64, feedForward: 48, layers: 2, heads: 4, keyValueHeads: 2,
      headSize: 32, context: 128)
    configuration.initializerDeviation = 0.15
    (model, parameters) = Llama.initialized(configuration, seed: 5)
    var random = RandomStream(seed: 2)
    window = TokenWindow(
      (0..<160).map { _ in Int32(random.integer(below: 61)) }, batch: 2, length: 80)
  }

  private func logits(
    _ name: String, _ pieces: [Range<Int>] = [0..<80],
    _ instrumentation: any Instrumentation = NoInstrumentation()
  ) throws -> Tensor {
    var cache = try GenerationCache(
      CacheSpecification(name), for: model.configuration, batch: 2, capacity: 80)
    let parts = try pieces.map { range in
      let tokens = TokenWindow(
        (0..<2).flatMap { text in range.map { window.ids[text * 80 + $0] } }, batch: 2,
        length: range.count)
      let pass = ForwardPass(parameters, instrumentation: instrumentation)
      return try model(tokens, pass, continuing: &cache)
    }
    #expect(cache.length == 80 && cache.caches.count == 2 && cache.caches[0].count == 2)
    return Variable.concatenated(parts, axis: 1).value
  }

  private func plain(_ instrumentation: any Instrumentation = NoInstrumentation()) -> Tensor {
    model(window, ForwardPass(parameters, instrumentation: instrumentation)).value
  }

  @Test func aFloatCacheChangesNothing() throws {
    expectClose(try logits("float32"), plain(), relative: 1e-4, absolute: 2e-5)
  }

  /// 32 tokens at a time, in one call or in several.
  @Test(arguments: CacheSpecificationTests.full)
  func streamingEqualsBulk(_ name: String) throws {
    let whole = try logits(name)
    let pieces = try logits(name, [0..<32, 32..<64, 64..<80])
    expectClose(pieces, whole, relative: 1e-4, absolute: 1e-4)
    #expect(name == "float32" || whole.elements != plain().elements)
  }

  /// Codes of a token alone do not depend on how many come at once.
  @Test(arguments: ["float16", "int8", "rotated-int4"])
  func tokenByTokenEqualsBulk(_ name: String) throws {
    let single = try logits(name, (0..<80).map { $0..<$0 + 1 })
    // A key at the edge between two codes may fall to either side.
    let error = relativeError(single.elements, try logits(name).elements)
    #expect(error < 1e-3, "\(error)")
  }

  @Test func aCacheThatIsFullSaysSo() throws {
    var cache = try GenerationCache(
      CacheSpecification("int4"), for: model.configuration, capacity: 40)
    let tokens = TokenWindow(Array(window.ids.prefix(50)), batch: 1, length: 50)
    #expect(throws: CacheError.capacity(40, held: 32, added: 18)) {
      try model(tokens, ForwardPass(parameters), continuing: &cache)
    }
    var short = try GenerationCache(
      CacheSpecification("int4"), for: model.configuration, capacity: 5)
    #expect(throws: CacheError.capacity(5, held: 5, added: 1)) {
      try model.generate(after: [1, 2, 3], count: 9, parameters, through: &short)
    }
  }

  /// Quantizers and rotations of a plan act before the cache, as they do without one.
  @Test func aPlanActsInFrontOfTheCache() throws {
    let rule = QuantizationRule(format: "int4", granularity: .head(size: 32))
    let scheme = QuantizationScheme(
      activations: QuantizationRule(format: "int8", granularity: .token, isSymmetric: false),
      keys: rule, values: rule, sites: [.attention], rotations: RotationRule([.keys]))
    let plan = try QuantizationPlan(scheme, for: parameters)
    let expected = plain(plan)
    #expect(expected.elements != plain().elements)
    let error = relativeError(
      try logits("float32", [0..<80], plan).elements, expected.elements)
    #expect(error < 1e-4, "\(error)")
  }

  @Test func generationThroughAFloatCacheIsGeneration() throws {
    let plain = model.generate(after: [1, 2, 3], count: 20, parameters)
    var cache = try GenerationCache(
      CacheSpecification("float32"), for: model.configuration, capacity: 64)
    #expect(
      try model.generate(after: [1, 2, 3], count: 20, parameters, through: &cache) == plain)
    #expect(cache.length == 22)
  }
}
