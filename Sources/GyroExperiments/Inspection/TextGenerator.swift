public import Foundation
public import GyroCache
import GyroCheckpoints
import GyroExport
public import GyroModels
import GyroQuantization
import GyroText

/// Continues prompts with the language model of a checkpoint folder.
public struct TextGenerator {
  /// A prompt and how it went on.
  public struct Continuation: Sendable, Encodable {
    public let prompt: String
    public let text: String
    public let tokens: [Int32]
    public let tokensPerSecond: Double
    /// What the caches occupy with room for the prompt and all that was asked for; nil for the
    /// model's own, in Float32.
    public let cache: CacheCost?

    enum CodingKeys: String, CodingKey {
      case prompt, text, tokens, cache
      case tokensPerSecond = "tokens_per_second"
    }
  }

  private let language: LanguageModel
  private let tokenizer: Tokenizer
  private let plan: QuantizationPlan?
  private let parameters: ParameterStore
  private let cache: CacheSpecification?

  /// - Parameters:
  ///   - quantized: rounds a float checkpoint to INT8; one that records a scheme is always computed
  ///     under it.
  ///   - cache: what keys and values are kept in; Float32 when nil.
  /// - Throws: what reading the model throws, and `CacheError` for a cache that cannot serve its heads.
  public init(_ checkpoint: URL, quantized: Bool = false, cache: CacheSpecification? = nil) throws {
    self.cache = cache
    guard let language = try ShippedModel(at: checkpoint).language else {
      throw ExperimentError.unfit(
        what: checkpoint.relativePath, reason: "it is an image classifier, which writes no text")
    }
    self.language = language
    guard let tokenizer = language.tokenizer else {
      throw ExperimentError.unfit(
        what: checkpoint.relativePath, reason: "it has no tokenizer.json, so text has no tokens")
    }
    self.tokenizer = tokenizer
    let scheme = language.scheme ?? (quantized ? QuantizationScheme.int8 : nil)
    let float = language.parameters
    let plan = try scheme.map { try QuantizationPlan($0, for: float) }
    parameters = try plan?.frozen(float) ?? float
    self.plan = plan
    _ = try cache?.make(CacheShape(language.configuration, capacity: 1))
  }

  /// What the user should know about the checkpoint.
  public var warnings: [String] { language.warnings }

  /// Continues a prompt.
  /// - Parameter receive: called with each piece of text as it comes.
  /// - Throws: `ExperimentError.unfit` when the prompt gives no token or more than the context;
  ///   `CacheError` for keys or values that the cache cannot hold.
  public func generate(
    _ prompt: String, tokens count: Int, _ sampling: Sampling, _ receive: (String) -> Void
  ) throws -> Continuation {
    var ids = tokenizer.encode(prompt)
    if ids.isEmpty, let first = tokenizer.beginningOfText { ids = [first] }
    guard !ids.isEmpty else {
      throw ExperimentError.unfit(
        what: "--prompt", reason: "it gives no token, and the model has none to begin a text with")
    }
    let context = language.configuration.context
    guard ids.count < context else {
      throw ExperimentError.unfit(
        what: "--prompt",
        reason: "it has \(ids.count) tokens, which leaves no room in the context of \(context)")
    }
    var decoder = tokenizer.makeStreamDecoder(skipSpecialTokens: true)
    for id in ids { _ = decoder.append(id) }
    var text = ""
    func take(_ piece: String) {
      text += piece
      if !piece.isEmpty { receive(piece) }
    }
    let capacity = min(context, ids.count + count)
    var past = GenerationCache(language.configuration, capacity: capacity)
    var cost: CacheCost?
    if let cache {
      past = try GenerationCache(cache, for: language.configuration, capacity: capacity)
      cost = try CacheCost(
        cache, CacheShape(language.configuration, capacity: capacity),
        layers: language.configuration.layers)
    }
    let started = ContinuousClock.now
    let added = try language.model.generate(
      after: ids, count: count, sampling: sampling, parameters,
      instrumentation: plan.map { $0 as any Instrumentation } ?? NoInstrumentation(),
      through: &past, stop: Set(language.configuration.endOfText.map(Int32.init))
    ) { token in
      take(decoder.append(token))
      return true
    }
    take(decoder.finish())
    let seconds = (ContinuousClock.now - started) / .seconds(1)
    return Continuation(
      prompt: prompt, text: text, tokens: added,
      tokensPerSecond: Double(added.count) / max(seconds, 1e-9), cache: cost)
  }
}
