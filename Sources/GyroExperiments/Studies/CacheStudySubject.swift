import Foundation
import GyroCache
import GyroCheckpoints
import GyroDatasets
import GyroModels
import GyroTensors

/// A language model with what the study of caches asks it.
struct CacheStudySubject {
  let name: String
  let text: String
  let context: Int
  private let language: LanguageModel
  private let batches: [TokenBatch]
  private let captured: [AttentionCapture.Layer]
  private let copying: [CopyingTask]

  init(
    _ checkpoint: URL, _ options: CacheStudy.Options, _ base: URL?,
    _ progress: (ExperimentEvent) throws -> Void
  ) throws {
    let study = try StudyCheckpoint(checkpoint)
    guard case .language(let language) = study.model else {
      throw ExperimentError.unfit(
        what: study.name, reason: "it is no language model, so it has no keys and values")
    }
    let context = options.context ?? LanguageTask.evaluationLength(language.configuration)
    try LanguageTask.check(length: context, of: "caches", language.configuration)
    self.language = language
    self.context = context
    name = study.name
    (batches, text) = try Self.windows(language, name, context, options, base, progress)
    let capture = AttentionCapture()
    let first = TokenWindow(
      Array(batches[0].inputs.prefix(context)), batch: 1, length: context)
    _ = language.model(first, ForwardPass(language.parameters, instrumentation: capture))
    captured = capture.layers
    let full = language.configuration.context
    let lengths = options.copyingLengths ?? [full / 4, full / 2, full]
    let source = options.drawsNeedles ? nil : batches.flatMap(\.inputs)
    copying = try lengths.map { length in
      guard length >= 2 * options.needle, length <= full, options.needle > 1 else {
        throw ExperimentError.unfit(
          what: "copying \(options.needle) of \(length) tokens",
          reason: "a text needs room for two needles of at least 2 tokens and at most the context "
            + "of \(full)")
      }
      return CopyingTask(
        context: length, needle: options.needle, trials: options.trials,
        vocabulary: language.configuration.vocabulary, source: source, seed: options.seed)
    }
  }

  var windowCount: Int { batches.reduce(0) { $0 + $1.batch } }

  private static func windows(
    _ language: LanguageModel, _ name: String, _ context: Int, _ options: CacheStudy.Options,
    _ base: URL?, _ progress: (ExperimentEvent) throws -> Void
  ) throws -> ([TokenBatch], String) {
    guard !options.text.isEmpty else {
      let texts = try SampledWindows.sample(
        language.model, language.parameters, tokens: options.windows * (context + 1),
        length: context + 1, seed: options.seed
      ) { try progress(.working(label: "sampling text", done: $0, total: $1)) }
      return (SampledWindows(texts, length: context).sequential(size: 1), "text it sampled itself")
    }
    guard let tokenizer = language.tokenizer else {
      throw ExperimentError.unfit(
        what: name, reason: "it has no tokenizer.json, so text has no tokens")
    }
    let files = try TextFiles.resolve(options.text, relativeTo: base)
    let stream = try TokenStream(files: files, tokenizer: tokenizer)
    try stream.check(vocabularySize: language.configuration.vocabulary)
    let source = options.text.joined(separator: ", ")
    guard stream.tokens.count > context else {
      throw ExperimentError.tooLittleText(
        source: source, tokens: stream.tokens.count, needed: context + 1)
    }
    let batches = try stream.sequentialBatches(size: 1, length: context)
    return (Array(batches.prefix(options.windows)), source)
  }

  /// One cache's figures.
  /// - Parameter float: the perplexity of the float cache.
  func row(_ specification: CacheSpecification, above float: Double?) throws -> CacheStudy.Row {
    let configuration = language.configuration
    let empty: any KeyValueCache
    let cost: CacheCost
    do throws(CacheError) {
      empty = try specification.make(CacheShape(configuration, capacity: configuration.context))
      cost = try CacheCost(
        specification, CacheShape(configuration, capacity: context), layers: configuration.layers)
    } catch {
      return CacheStudy.Row(
        cache: specification.description, problem: "\(error)", cost: nil, lossAboveFloat: nil,
        perplexity: nil, scoreError: nil, outputError: nil, found: [], copied: [])
    }
    var errors = CacheErrors()
    for layer in captured { try errors.add(layer, through: empty) }
    var arithmetic = Arithmetic()
    arithmetic.cache = specification
    let figures = try LanguageEvaluation.figures(
      language.model, language.parameters, batches, arithmetic, progress: { _, _ in })
    let perplexity = figures["perplexity"]!
    return CacheStudy.Row(
      cache: specification.description, problem: nil, cost: cost,
      lossAboveFloat: float.map { log(perplexity / $0) }, perplexity: perplexity,
      scoreError: errors.ofScores, outputError: errors.ofOutputs,
      found: try copying.map(\.context).filter { $0 <= context }.map { tokens in
        CacheStudy.Found(
          tokens: tokens,
          share: try CacheErrors.agreement(captured, tokens: tokens, through: empty))
      },
      copied: try copying.map {
        try $0.figures(language.model, language.parameters, through: empty)
      })
  }
}
