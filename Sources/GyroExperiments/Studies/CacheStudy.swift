public import Foundation
public import GyroCache
import GyroDatasets
import GyroModels
import GyroTensors

/// What keeping keys and values in few bits does to a language model: its perplexity, its memory for
/// something far back, and the errors of attention behind both.
public struct CacheStudy: Sendable, Encodable {
  public struct Options: Sendable {
    public var caches = CacheStudy.usual
    /// Files to measure perplexity on; text that the model samples when empty.
    public var text: [String] = []
    /// Tokens per window; the model's context, at most 512, when nil.
    public var context: Int?
    /// Windows to measure perplexity on; attention's errors are measured on the first.
    public var windows = 8
    /// Tokens in the texts of the copying task, and (up to `context`) of those in which attention looks
    /// for what it finds through floats; a quarter, a half and all of the context when nil.
    public var copyingLengths: [Int]?
    /// Tokens to copy.
    public var needle = 16
    /// Whether needles and what is between them are random tokens; else they are cut from the text.
    public var drawsNeedles = false
    /// Texts at each length.
    public var trials = 24
    public var seed: UInt64 = 0

    public init() {}
  }

  /// One kind of cache.
  public struct Row: Sendable, Encodable {
    public let cache: String
    /// Why the model's heads cannot be kept this way; all figures are nil then.
    public let problem: String?
    public let cost: CacheCost?
    /// Nats per token, above the float cache.
    public let lossAboveFloat: Double?
    public let perplexity: Double?
    /// ‖error‖/‖exact‖ of the scores that a query sees, over all layers.
    public let scoreError: Double?
    /// The same of attention's output.
    public let outputError: Double?
    /// How often attention finds what it finds through floats, by the length of the text.
    public let found: [Found]
    /// How well a needle is copied, by the length of the text around it.
    public let copied: [Copied]
  }

  /// How often a query of a text's last 32 tokens looks most at the token that it looks most at
  /// through the float cache, over all layers and heads.
  public struct Found: Sendable, Encodable {
    /// Of the text.
    public let tokens: Int
    public let share: Double
  }

  public struct Copied: Sendable, Encodable {
    /// Of the text.
    public let tokens: Int
    /// The part of the second needle's tokens that the likeliest token gets right.
    public let accuracy: Double
    /// The same of the first needle, of which nothing was seen before.
    public let accuracyBefore: Double
    /// How many nats less the second needle's tokens cost than the first's.
    public let natsGained: Double
  }

  public let checkpoint: String
  /// What perplexity was measured on.
  public let text: String
  public let context: Int
  public let windows: Int
  public let needle: Int
  public let trials: Int
  /// The Float32 cache.
  public let float: Row
  public let rows: [Row]

  /// Each family about 2, 2.5, 3, 3.5 and 4 bits, without windows of floats, which in a short text
  /// would hide what they stand beside.
  public static let usual: [CacheSpecification] = [
    "float16", "int8", "int4", "int3", "int2", "rotated-int4", "rotated-int3", "rotated-int2",
    "kivi:bits=2,window=0", "kivi:bits=4,window=0", "qjl:bits=3,window=0", "qjl:bits=4,window=0",
    "turbo:bits=2", "turbo:bits=2.5", "turbo:bits=3", "turbo:bits=3.5", "turbo:bits=4",
    "turbo-prod:bits=3", "polar",
  ].map {
    // These names exist.
    try! CacheSpecification($0)
  }

  /// - Throws: what reading the checkpoint and the text throws; `ExperimentError` for a checkpoint that
  ///   is no float language model, and for windows its context has no room for.
  public init(
    checkpoint: URL, _ options: Options = Options(), base: URL? = nil,
    progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let subject = try CacheStudySubject(checkpoint, options, base, progress)
    self.checkpoint = subject.name
    text = subject.text
    context = subject.context
    windows = subject.windowCount
    needle = options.needle
    trials = options.trials
    let exact = try CacheSpecification("float32")
    let total = options.caches.count + 1
    try progress(.working(label: "float32", done: 0, total: total))
    let float = try subject.row(exact, above: nil)
    self.float = float
    rows = try options.caches.enumerated().map { index, cache in
      try progress(.working(label: cache.description, done: index + 1, total: total))
      return try subject.row(cache, above: float.perplexity)
    }
  }

  /// Attention's errors in decibels, a line for each cache.
  public var picture: String {
    func decibels(_ error: Double?) -> Double {
      error.map { $0 > 0 ? -20 * log10($0) : .nan } ?? .nan
    }
    return DotPlot(
      title: "Attention through key/value caches: \(checkpoint)",
      axis: "signal over error, dB (more is better)",
      series: [DotPlot.Series(name: "scores"), DotPlot.Series(name: "attention output")],
      rows: rows.filter { $0.problem == nil }.map { row in
        let bits = row.cost.map { String(format: "%.2f", $0.bitsPerElement) } ?? ""
        let perplexity = row.perplexity.map { String(format: "%.2f", $0) } ?? ""
        return DotPlot.Row(
          label: "\(row.cache) · \(bits) bits · perplexity \(perplexity)",
          points: [(0, decibels(row.scoreError)), (1, decibels(row.outputError))])
      }
    ).svg
  }

  /// The figures as text, a line for each cache.
  public var table: String {
    let all = [float] + rows
    let width = (all.map(\.cache.count).max() ?? 0) + 2
    func cell(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    func number(_ value: Double?, _ format: String) -> String {
      value.map { String(format: format, $0) } ?? ""
    }
    func name(_ text: String) -> String {
      text.padding(toLength: width, withPad: " ", startingAt: 0)
    }
    var lines = [
      "\(checkpoint): \(windows) windows of \(context) tokens, \(text); "
        + "copying \(needle) tokens in \(trials) texts of each length (in brackets: what is foretold "
        + "without)",
      name("") + cell("bits", 8) + cell("bytes", 11) + cell("of float16", 12)
        + cell("perplexity", 12) + cell("nats more", 11) + cell("scores", 9) + cell("output", 9)
        + float.found.map { cell("found \($0.tokens)", 11) }.joined()
        + float.copied.map { cell("copy \($0.tokens)", 17) }.joined(),
    ]
    for row in all {
      guard let cost = row.cost else {
        lines.append(name(row.cache) + (row.problem ?? ""))
        continue
      }
      let size = 100 / cost.timesSmaller
      lines.append(
        name(row.cache) + cell(number(cost.bitsPerElement, "%.3f"), 8) + cell("\(cost.bytes)", 11)
          + cell(number(size, "%.1f %%"), 12) + cell(number(row.perplexity, "%.3f"), 12)
          + cell(number(row.lossAboveFloat, "%+.4f"), 11) + cell(number(row.scoreError, "%.4f"), 9)
          + cell(number(row.outputError, "%.4f"), 9)
          + row.found.map { cell(number(100 * $0.share, "%.1f %%"), 11) }.joined()
          + row.copied.map {
            cell(
              number(100 * $0.accuracy, "%.1f %%") + number(100 * $0.accuracyBefore, " (%.1f %%)"),
              17)
          }.joined())
    }
    return lines.joined(separator: "\n")
  }
}
