import Foundation
import GyroAutodiff
import GyroCache
import GyroCheckpoints
import GyroExport
import GyroDatasets
import GyroModels
import GyroQuantization
import GyroTensors

/// Next-token prediction with a Llama. The loss is in nats per token, perplexity its exponential.
struct LanguageTask: ExperimentTask {
  /// Tokens to train or evaluate on.
  enum Text {
    case stream(TokenStream, name: String)
    case sampled([[Int32]])
  }

  let language: LanguageModel
  let training, calibration: Text?
  let evaluation: Text?
  /// Texts that are measured beside it, by name.
  var furtherEvaluations: [(name: String, text: Text)] = []

  var initial: ParameterStore { language.parameters }
  var initialScheme: QuantizationScheme? { language.scheme }
  var llama: LlamaConfiguration? { language.configuration }
  var unit: String { "tokens" }
  var warnings: [String] { language.warnings }

  func batches(for stage: TrainStage, seed: UInt64) throws -> (Int) -> TokenBatch {
    try Self.batches(
      of: training, "data.train", size: stage.batch,
      length: stage.length ?? Self.trainingLength(language.configuration), seed: seed)
  }

  func batches(for stage: CalibrateStage, seed: UInt64) throws -> (Int) -> TokenBatch {
    let length = stage.length ?? Self.evaluationLength(language.configuration)
    return try Self.batches(
      of: calibration ?? training, calibration == nil ? "data.train" : "data.calibrate",
      size: stage.batch, length: calibration == nil ? min(length, longest(training)) : length,
      seed: seed)
  }

  /// The longest window a text has room for.
  private func longest(_ text: Text?) -> Int {
    switch text {
    case .stream(let stream, _): max(1, stream.tokens.count - 1)
    case .sampled(let texts): max(1, (texts.map(\.count).max() ?? 2) - 1)
    case nil: 1
    }
  }

  func scores(_ batch: TokenBatch, _ pass: ForwardPass) -> Variable {
    language.model(TokenWindow(batch), pass)
  }

  private static func batches(
    of text: Text?, _ name: String, size: Int, length: Int, seed: UInt64
  ) throws -> (Int) -> TokenBatch {
    switch text {
    case .stream(let stream, let name):
      guard stream.tokens.count > length else {
        throw ExperimentError.tooLittleText(
          source: name, tokens: stream.tokens.count, needed: length + 1)
      }
      let batches = try stream.batches(size: size, length: length, seed: seed)
      return { batches[$0] }
    case .sampled(let texts):
      let windows = SampledWindows(texts, length: length)
      guard windows.count > 0 else {
        throw ExperimentError.tooLittleText(
          source: name, tokens: texts.first?.count ?? 0, needed: length + 1)
      }
      return try windows.shuffled(size: size, seed: seed)
    case nil:
      throw ExperimentError.unfit(what: name, reason: "there is none")
    }
  }

  func windows(of batch: TokenBatch) -> [[Int32]] {
    (0..<batch.batch).map {
      Array(batch.inputs[$0 * batch.length..<($0 + 1) * batch.length])
    }
  }

  func size(of batch: TokenBatch) -> Int { batch.targets.count }

  func targets(of batch: TokenBatch) -> [Int32] { batch.targets }

  func absorb(_ statistics: Statistics, into parameters: inout ParameterStore) {}

  func evaluate(
    _ parameters: ParameterStore, _ stage: EvaluateStage, _ arithmetic: Arithmetic,
    progress: (Int, Int) throws -> Void
  ) throws -> [String: Double] {
    guard let evaluation else {
      throw ExperimentError.unfit(what: "data.evaluate", reason: "there is none")
    }
    var sets = [(suffix: "", batches: try batches(of: evaluation, "data.evaluate", stage))]
    for (name, text) in furtherEvaluations {
      let batches = try batches(of: text, "data.also-evaluate.\(name)", stage)
      sets.append((Self.suffix(name), batches))
    }
    let total = sets.reduce(0) { $0 + $1.batches.reduce(0) { $0 + $1.targets.count } }
    var (figures, before) = ([String: Double](), 0)
    for (suffix, batches) in sets {
      let found = try LanguageEvaluation.figures(
        language.model, parameters, batches, arithmetic
      ) { done, _ in try progress(before + done, total) }
      for (name, figure) in found { figures[name + suffix] = figure }
      before += batches.reduce(0) { $0 + $1.targets.count }
    }
    return figures
  }

  /// What follows the name of a figure measured on a further text.
  static func suffix(_ name: String) -> String { " on \(name)" }

  private func batches(
    of text: Text, _ source: String, _ stage: EvaluateStage
  ) throws -> [TokenBatch] {
    let length = stage.length ?? LanguageTask.evaluationLength(language.configuration)
    var batches: [TokenBatch]
    let size = max(1, 2048 / length)
    switch text {
    case .stream(let stream, let name):
      guard stream.tokens.count > length else {
        throw ExperimentError.tooLittleText(
          source: name, tokens: stream.tokens.count, needed: length + 1)
      }
      batches = Array(try stream.sequentialBatches(size: size, length: length))
    case .sampled(let texts):
      batches = SampledWindows(texts, length: length).sequential(size: size)
    }
    if let limit = stage.limit { batches = Self.first(limit, of: batches) }
    guard !batches.isEmpty else {
      throw ExperimentError.tooLittleText(source: source, tokens: 0, needed: length + 1)
    }
    return batches
  }

  /// Makes sure that windows fit the model's context; to be asked before text is sampled for them.
  static func check(
    length: Int?, of label: String, _ configuration: LlamaConfiguration
  ) throws(ExperimentError) {
    guard let length, length > configuration.context else { return }
    throw .unfit(
      what: "stage '\(label)'",
      reason: "length (\(length)) is longer than the model's context (\(configuration.context))")
  }

  /// The windows that are trained on when nothing else is asked for.
  static func trainingLength(_ configuration: LlamaConfiguration) -> Int {
    min(configuration.context, 128)
  }

  /// The windows that are evaluated when nothing else is asked for.
  static func evaluationLength(_ configuration: LlamaConfiguration) -> Int {
    min(configuration.context, 512)
  }

  /// The first `limit` windows.
  private static func first(_ limit: Int, of batches: [TokenBatch]) -> [TokenBatch] {
    var rest = limit
    return batches.compactMap { batch in
      guard rest > 0 else { return nil }
      let rows = min(rest, batch.batch)
      rest -= rows
      return TokenBatch(
        inputs: Array(batch.inputs.prefix(rows * batch.length)),
        targets: Array(batch.targets.prefix(rows * batch.length)), batch: rows,
        length: batch.length)
    }
  }

  func write(
    _ parameters: ParameterStore, scheme: QuantizationScheme?, to folder: URL,
    as type: ScalarType
  ) throws {
    try model(parameters, scheme).write(to: folder, as: type)
  }

  func shipped(
    _ parameters: ParameterStore, scheme: QuantizationScheme?
  ) throws -> ShippedModel {
    try ShippedModel(model(parameters, scheme))
  }

  private func model(
    _ parameters: ParameterStore, _ scheme: QuantizationScheme?
  ) -> LanguageModel {
    var copy = language
    copy.parameters = parameters
    copy.scheme = scheme
    return copy
  }

  func read(_ folder: URL) throws -> ParameterStore {
    try LanguageModel(contentsOf: folder).parameters
  }
}

/// The mean loss of a language model over given batches.
enum LanguageEvaluation {
  /// `loss` in nats per token, `perplexity`, how many `tokens` were predicted, and `divergence`.
  static func figures(
    _ model: Llama, _ parameters: ParameterStore, _ batches: [TokenBatch],
    _ arithmetic: Arithmetic, progress: (Int, Int) throws -> Void
  ) throws -> [String: Double] {
    var (sum, divergence, count) = (0.0, 0.0, 0)
    let total = batches.reduce(0) { $0 + $1.targets.count }
    let caches = try arithmetic.cache.map { try EmptyCaches($0, model, batches) }
    for batch in batches {
      let pass = arithmetic.pass(parameters)
      let logits =
        try caches.map { try $0.logits(batch, pass) } ?? model(TokenWindow(batch), pass)
      if let fault = pass.fault { throw fault }
      let size = Double(batch.targets.count)
      sum += Double(logits.crossEntropy(targets: batch.targets).value.item) * size
      if let wanted = arithmetic.wanted({ model(TokenWindow(batch), $0) }) {
        divergence += Double(logits.kullbackLeibler(toTeacher: wanted).value.item) * size
      }
      count += batch.targets.count
      try progress(count, total)
    }
    let loss = sum / Double(max(count, 1))
    var figures = ["loss": loss, "perplexity": exp(loss), "tokens": Double(count)]
    if arithmetic.teacher != nil { figures["divergence"] = divergence / Double(max(count, 1)) }
    return figures
  }
}

/// Empty caches that every window of an evaluation begins with.
private struct EmptyCaches {
  private let model: Llama
  private let empty: any AttentionCache

  init(_ specification: CacheSpecification, _ model: Llama, _ batches: [TokenBatch]) throws {
    self.model = model
    empty = try specification.make(
      CacheShape(model.configuration, capacity: batches.map(\.length).max() ?? 1))
  }

  func logits(_ batch: TokenBatch, _ pass: ForwardPass) throws -> Variable {
    var cache = GenerationCache(model.configuration, batch: batch.batch) { _ in empty }
    return try model(TokenWindow(batch), pass, continuing: &cache)
  }
}
