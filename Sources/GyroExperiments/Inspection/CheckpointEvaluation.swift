public import Foundation
public import GyroCache
import GyroCheckpoints
import GyroDatasets
import GyroExport
import GyroModels
import GyroQuantization
public import GyroTensors

/// The loss of a checkpoint on data of one's choice.
public struct CheckpointEvaluation: Sendable, Encodable {
  /// What to evaluate on.
  public enum Data: Sendable {
    /// Text files; patterns are allowed.
    case text([String])
    /// `data.evaluate` of a recipe, generated from the recipe's own model where it says so.
    case recipe(Experiment)
    /// Text that the checkpoint samples itself.
    case sampled(tokens: Int, seed: Int)
  }

  /// How to evaluate.
  public struct Options: Sendable {
    /// Rounds a float checkpoint to INT8 weights and activations first. A checkpoint that records a
    /// scheme is always computed under it.
    public var quantized = false
    public var precision: MatmulPrecision = .float32
    /// Tokens per window; the model's context, at most 512, when nil.
    public var length: Int?
    /// Windows or images at most.
    public var limit: Int?
    /// What keys and values are kept in; nil computes without a cache.
    public var cache: CacheSpecification?

    public init() {}
  }

  public let checkpoint: String
  public let parameters: Int
  public let quantized: Bool
  public let scheme: String?
  public let precision: String
  /// By name: `loss`, `perplexity`, `accuracy`, `tokens`, …
  public let figures: [String: Double]
  /// What the caches of one window occupy; nil without a cache.
  public let cache: CacheCost?
  public let warnings: [String]

  /// Evaluates a checkpoint folder.
  /// - Throws: what reading the model and the data throws.
  public init(
    _ checkpoint: URL, on data: Data, _ options: Options = Options(), base: URL? = nil,
    progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let stage = EvaluateStage(
      label: "evaluating", quantized: nil, limit: options.limit, length: options.length)
    let shipped = try ShippedModel(at: checkpoint)
    if let image = shipped.image {
      guard options.cache == nil else {
        throw ExperimentError.unfit(
          what: checkpoint.relativePath,
          reason: "an image classifier has no keys and values; leave --cache out")
      }
      guard case .recipe(var experiment) = data else {
        throw ExperimentError.unfit(
          what: checkpoint.relativePath,
          reason: "an image classifier is evaluated on images: pass --recipe")
      }
      experiment.training = nil
      experiment.calibration = nil
      guard let task = try experiment.load(progress) as? ImageTask else {
        throw Self.otherKind(checkpoint)
      }
      let own = ImageTask(
        model: image, training: nil, calibration: nil, evaluation: task.evaluation)
      try self.init(own, checkpoint, stage, options, progress)
      return
    }
    guard let language = shipped.language else { throw Self.otherKind(checkpoint) }
    if let length = options.length {
      try LanguageTask.check(length: length, of: stage.label, language.configuration)
    }
    // Before any text is read or sampled.
    _ = try options.cache?.make(CacheShape(language.configuration, capacity: 1))
    let (text, further) = try Self.texts(data, language, checkpoint, stage, base, progress)
    let task = LanguageTask(
      language: language, training: nil, calibration: nil, evaluation: text,
      furtherEvaluations: further)
    try self.init(task, checkpoint, stage, options, progress)
  }

  private init(
    _ task: some ExperimentTask, _ checkpoint: URL, _ stage: EvaluateStage, _ options: Options,
    _ progress: (ExperimentEvent) throws -> Void
  ) throws {
    let scheme = task.initialScheme ?? (options.quantized ? QuantizationScheme.int8 : nil)
    var arithmetic = Arithmetic(precision: options.precision)
    arithmetic.cache = options.cache
    var parameters = task.initial
    if let scheme {
      let plan = try QuantizationPlan(scheme, for: task.initial)
      arithmetic.instrumentation = plan
      parameters = try plan.frozen(parameters)
    }
    figures = try task.evaluate(parameters, stage, arithmetic) { done, total in
      try progress(.working(label: "evaluating", done: done, total: total))
    }
    self.checkpoint = checkpoint.relativePath
    self.parameters = task.initial.parameterCount
    quantized = scheme != nil
    self.scheme = scheme?.summary
    precision = options.precision.rawValue
    if let specification = options.cache, let llama = task.llama {
      cache = try CacheCost(
        specification,
        CacheShape(
          llama, capacity: stage.length ?? LanguageTask.evaluationLength(llama)),
        layers: llama.layers)
    } else {
      cache = nil
    }
    warnings = task.warnings
  }

  private static func texts(
    _ data: Data, _ language: LanguageModel, _ checkpoint: URL, _ stage: EvaluateStage,
    _ base: URL?, _ progress: (ExperimentEvent) throws -> Void
  ) throws -> (LanguageTask.Text?, further: [(name: String, text: LanguageTask.Text)]) {
    switch data {
    case .text(let patterns):
      guard let tokenizer = language.tokenizer else {
        throw ExperimentError.unfit(
          what: checkpoint.relativePath, reason: "it has no tokenizer.json, so text has no tokens")
      }
      let files = try TextFiles.resolve(patterns, relativeTo: base)
      let stream = try TokenStream(files: files, tokenizer: tokenizer)
      try stream.check(vocabularySize: language.configuration.vocabulary)
      return (.stream(stream, name: patterns.joined(separator: ", ")), [])
    case .recipe(var experiment):
      experiment.training = nil
      experiment.calibration = nil
      guard let task = try experiment.load(progress) as? LanguageTask else {
        throw otherKind(checkpoint)
      }
      guard task.language.configuration.vocabulary == language.configuration.vocabulary else {
        throw ExperimentError.unfit(
          what: checkpoint.relativePath,
          reason: "its vocabulary of \(language.configuration.vocabulary) tokens is not the "
            + "\(task.language.configuration.vocabulary) of the recipe's model")
      }
      return (task.evaluation, task.furtherEvaluations)
    case .sampled(let tokens, let seed):
      let length = stage.length ?? LanguageTask.evaluationLength(language.configuration)
      let windows = try SampledWindows.sample(
        language.model, language.parameters, tokens: tokens, length: length + 1,
        seed: UInt64(seed)
      ) { try progress(.working(label: "sampling text", done: $0, total: $1)) }
      return (.sampled(windows), [])
    }
  }

  private static func otherKind(_ checkpoint: URL) -> ExperimentError {
    .unfit(
      what: checkpoint.relativePath, reason: "the recipe is about another kind of model")
  }
}
