import Glibc
import GyroTensors

/// How the next token is chosen from a row of logits.
public struct Sampling: Sendable, Equatable {
  /// 0 takes the likeliest token; 1 samples the model's own distribution.
  public var temperature: Float
  /// Only the likeliest tokens compete; nil lets all.
  public var topK: Int?
  public var seed: UInt64

  public init(temperature: Float = 0, topK: Int? = nil, seed: UInt64 = 0) {
    self.temperature = temperature
    self.topK = topK
    self.seed = seed
  }

  /// The likeliest token, always.
  public static let greedy = Sampling()

  /// Chooses from `count` logits with a uniform number in [0, 1). Of equal logits the first wins.
  func choose(_ logits: UnsafePointer<Float>, _ count: Int, _ uniform: Float) -> Int32 {
    var best = 0
    for index in 1..<max(count, 1) where logits[index] > logits[best] { best = index }
    guard temperature > 0 else { return Int32(best) }
    var candidates = Array(0..<count)
    if let topK, topK < count {
      candidates.sort { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
      candidates.removeLast(count - max(topK, 1))
    }
    let weights = candidates.map {
      exp(Double(logits[$0] - logits[best]) / Double(temperature))
    }
    var rest = Double(uniform) * weights.reduce(0, +)
    for (candidate, weight) in zip(candidates, weights) {
      rest -= weight
      if rest < 0 { return Int32(candidate) }
    }
    return Int32(candidates.last!)
  }
}

extension Llama {
  /// Continues a prompt, one token at a time, through a cache of keys and values.
  ///
  /// - Parameters:
  ///   - count: the most tokens to add; fewer when the context is full or `stop` is met.
  ///   - receive: called with each token; return false to stop.
  /// - Returns: the new tokens.
  @discardableResult
  public func generate(
    after prompt: [Int32], count: Int, sampling: Sampling = .greedy, _ parameters: ParameterStore,
    instrumentation: any Instrumentation = NoInstrumentation(),
    stop: Set<Int32> = [], _ receive: (Int32) -> Bool = { _ in true }
  ) -> [Int32] {
    let capacity = min(configuration.context, prompt.count + count)
    var cache = GenerationCache(configuration, capacity: capacity)
    // Nothing in a cache of floats throws.
    return try! generate(
      after: prompt, count: count, sampling: sampling, parameters,
      instrumentation: instrumentation, through: &cache, stop: stop, receive)
  }

  /// Continues what `cache` holds with a prompt, one token at a time, through that cache.
  ///
  /// - Parameters:
  ///   - cache: of one text; for each token but the last new one its keys and values are appended.
  ///   - count: the most tokens to add; fewer when the context is full or `stop` is met.
  ///   - receive: called with each token; return false to stop.
  /// - Returns: the new tokens.
  /// - Throws: what the caches of the layers throw, for example when they are full.
  @discardableResult
  public func generate(
    after prompt: [Int32], count: Int, sampling: Sampling = .greedy, _ parameters: ParameterStore,
    instrumentation: any Instrumentation = NoInstrumentation(),
    through cache: inout GenerationCache, stop: Set<Int32> = [],
    _ receive: (Int32) -> Bool = { _ in true }
  ) throws -> [Int32] {
    precondition(!prompt.isEmpty, "generate: the prompt needs at least one token")
    var random = RandomStream(seed: sampling.seed).derived("generation")
    var (tokens, next) = ([Int32](), prompt)
    while tokens.count < count, cache.length + next.count <= configuration.context {
      let pass = ForwardPass(
        parameters, instrumentation: instrumentation, keepsDecodedWeights: true)
      let logits = try self(
        TokenWindow(next, batch: 1, length: next.count), pass, continuing: &cache
      ).value
      let row = logits.count - configuration.vocabulary
      let token = logits.withElements {
        sampling.choose($0 + row, configuration.vocabulary, random.uniform())
      }
      tokens.append(token)
      if !receive(token) || stop.contains(token) { break }
      next = [token]
    }
    return tokens
  }

  /// Text the model writes by itself: `batch` windows of `length` tokens sampled at temperature 1,
  /// each starting from the beginning-of-text token or, without one, from a token drawn uniformly.
  ///
  /// This is the data of data-free fine-tuning (LLM-QAT, 2305.17888 §3.1). On it the cross-entropy
  /// of another model exceeds this model's own by the Kullback–Leibler divergence between the two,
  /// so rounding loss can be read off directly.
  public func sampleText(
    batch: Int, length: Int, seed: UInt64, _ parameters: ParameterStore,
    progress: (Int) throws -> Void = { _ in }
  ) rethrows -> [[Int32]] {
    let random = RandomStream(seed: seed).derived("sampled text")
    var start = random.derived("start")
    var rows = (0..<batch).map { _ in
      [Int32(configuration.beginningOfText ?? start.integer(below: configuration.vocabulary))]
    }
    let sampling = Sampling(temperature: 1)
    var cache = GenerationCache(configuration, batch: batch, capacity: length)
    for position in 1..<max(length, 1) {
      let window = TokenWindow(rows.map { $0[position - 1] }, batch: batch, length: 1)
      // Nothing in a cache of floats throws.
      let pass = ForwardPass(parameters, keepsDecodedWeights: true)
      let logits = try! self(window, pass, continuing: &cache).value
      logits.withElements { pointer in
        for row in 0..<batch {
          // Each row draws from a stream of its own: the text does not depend on the batch.
          var stream = random.derived("row \(row)", position)
          rows[row].append(
            sampling.choose(
              pointer + row * configuration.vocabulary, configuration.vocabulary, stream.uniform()))
        }
      }
      try progress(position)
    }
    return rows
  }
}
