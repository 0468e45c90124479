import Glibc
import GyroModels
import GyroTensors

/// Whether a model finds something far back again: a needle of several tokens, then other tokens, then
/// the needle once more. From its second token on, the second needle can be copied from the first;
/// how well the first needle itself is predicted says what the model knows without copying.
struct CopyingTask {
  /// Tokens in all.
  let context: Int
  /// Tokens of the needle.
  let needle: Int
  private let texts: [[Int32]]

  /// - Parameters:
  ///   - source: tokens of a text, from which needles and what stands between them are cut; nil draws
  ///     every token at random.
  /// - Precondition: a context of two needles at least.
  init(
    context: Int, needle: Int, trials: Int, vocabulary: Int, source: [Int32]?, seed: UInt64
  ) {
    precondition(context >= 2 * needle && needle > 1, "CopyingTask: no room for two needles")
    self.context = context
    self.needle = needle
    let root = RandomStream(seed: seed).derived("needles in \(context)")
    texts = (0..<trials).map { trial in
      var random = root.derived("trial", trial)
      let count = context - needle
      guard let source else {
        let first = (0..<count).map { _ in Int32(random.integer(below: vocabulary)) }
        return first + first.prefix(needle)
      }
      // The needle comes from one half of the text, what is between from the other.
      let half = source.count / 2
      let start = random.integer(below: max(1, half - needle))
      let between = random.integer(below: max(1, source.count - half))
      let span = (start..<start + needle).map { source[$0 % source.count] }
      let rest = (0..<count - needle).map { source[half + (between + $0) % (source.count - half)] }
      return span + rest + span
    }
  }

  /// What the model makes of the second needle, and of the first.
  /// - Parameter empty: what keys and values are kept in.
  func figures(
    _ model: Llama, _ parameters: ParameterStore, through empty: any AttentionCache
  ) throws -> CacheStudy.Copied {
    var first = Score(), second = Score()
    let vocabulary = model.configuration.vocabulary
    for text in texts {
      var cache = GenerationCache(model.configuration) { _ in empty }
      let window = TokenWindow(text, batch: 1, length: context)
      let logits = try model(window, ForwardPass(parameters), continuing: &cache).value
      logits.withElements { logits in
        for place in 0..<needle - 1 {
          for (start, isSecond) in [(0, false), (context - needle, true)] {
            let row = UnsafeBufferPointer(
              start: logits + (start + place) * vocabulary, count: vocabulary)
            let next = Int(text[start + place + 1])
            if isSecond { second.add(row, next) } else { first.add(row, next) }
          }
        }
      }
    }
    return CacheStudy.Copied(
      tokens: context, accuracy: second.accuracy, accuracyBefore: first.accuracy,
      natsGained: first.loss - second.loss)
  }

  /// How well the likeliest token, and the probabilities, foretell.
  private struct Score {
    private var count = 0
    private var hits = 0
    private var nats = 0.0

    var accuracy: Double { Double(hits) / Double(max(count, 1)) }
    var loss: Double { nats / Double(max(count, 1)) }

    mutating func add(_ logits: UnsafeBufferPointer<Float>, _ next: Int) {
      let best = logits.indices.reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
      let top = Double(logits[best])
      count += 1
      hits += best == next ? 1 : 0
      nats += top + log(logits.reduce(0) { $0 + exp(Double($1) - top) }) - Double(logits[next])
    }
  }
}
