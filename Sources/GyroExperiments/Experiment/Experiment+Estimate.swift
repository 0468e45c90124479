import Foundation
import GyroCheckpoints
import GyroDatasets
import GyroExport
import GyroModels
import GyroQuantization
import GyroRotation
import GyroTensors
import GyroText
import GyroTraining

extension Experiment {
  /// What the run would do and take. Nothing is written; weights and data are not read, except
  /// what counting them needs.
  ///
  /// - Throws: what resolving the scheme against the model throws, as the run would.
  public func estimate() throws -> RunEstimate {
    if case .classifier(let classifier) = recipe.model {
      return try imageEstimate(
        ImageModel(classifier.configuration, seed: UInt64(recipe.seed)))
    }
    guard let modelFolder else {
      let (configuration, tokenizer) = try freshConfiguration()
      return try languageEstimate(of: configuration, tokenizer)
    }
    if ImageModel.isImageModel(modelFolder) {
      return try imageEstimate(ImageModel(contentsOf: modelFolder))
    }
    let file = modelFolder.appending(path: "config.json")
    if FileManager.default.fileExists(atPath: file.path) {
      return try languageEstimate(
        of: LlamaConfiguration(json: try Data(contentsOf: file)),
        try? Tokenizer(contentsOf: modelFolder))
    }
    // A model in one file has no configuration beside it.
    switch try ShippedModel(at: modelFolder).network {
    case .image(let image): return try imageEstimate(image)
    case .language(let language):
      return try languageEstimate(of: language.configuration, language.tokenizer)
    }
  }

  // MARK: Language

  private func languageEstimate(
    of configuration: LlamaConfiguration, _ tokenizer: Tokenizer?
  ) throws -> RunEstimate {
    var whole = configuration
    if recipe.turnsModel { whole.tiedEmbeddings = false }
    let build = ModelBuilder.unfilled()
    _ = Llama(whole, build)
    let plan = try recipe.scheme.map { try QuantizationPlan($0, for: build.store) }

    let shape = largestBatch(whole)
    let part = LlamaPart(of: whole, batch: shape.batch, length: shape.length)
    let (model, parameters) = Llama.initialized(part.configuration, seed: 0)
    let task = LanguageTask(
      language: LanguageModel(model: model, parameters: parameters), training: nil,
      calibration: nil, evaluation: nil)
    let partPlan = plan.flatMap { partialPlan($0.scheme, parameters) }
    let probe = try StepProbe(
      task, workRatio: part.workRatio, keptRatio: part.keptRatio,
      parameterRatio: part.parameterRatio, plan: partPlan, precision: recipe.precision,
      calibrating: part.units
    ) { units in
      let rows = max(1, units / part.length)
      var random = RandomStream(seed: 0).derived("estimate")
      let length = rows * part.length > units ? max(1, units) : part.length
      let ids = (0...rows * length).map { _ in
        Int32(random.integer(below: part.configuration.vocabulary))
      }
      return TokenBatch(
        inputs: Array(ids.dropLast()), targets: Array(ids.dropFirst()), batch: rows, length: length)
    }
    var counting = StageCounting(recipe, units: "tokens", parameters: build.store, plan: plan)
    counting.storedBytes = modelFolder.map(Self.storedBytes)
    let window = LanguageTask.evaluationLength(whole)
    counting.usualLength = window
    counting.evaluationUnits = try tokens(evaluation, tokenizer)
    counting.furtherUnits = try furtherEvaluations.compactMap { try tokens($0.source, tokenizer) }
    let sampled = [training, calibration, evaluation].compactMap { source in
      if case .generated(let tokens, _) = source { tokens } else { nil }
    }
    counting.sampled = sampled.reduce(0, +)
    if let most = sampled.max() {
      // A layer at a time is copied together.
      let length = max(shape.length, window) + 1
      let width = 2 * whole.keyValueHeads * whole.headSize
      counting.samplingBytes =
        4 * min(64, most / length + 1) * length * width * (whole.layers + 2)
      counting.samplingSeconds = Self.samplingSeconds(model, parameters) * part.workRatio
    }
    counting.text = try [training, calibration].compactMap { try tokens($0, tokenizer) }
      .reduce((counting.evaluationUnits ?? 0) + counting.furtherUnits.reduce(0, +), +)
    return try counting.estimate(probe, units: part.units)
  }

  /// Without what names layers that the part does not have.
  private func partialPlan(
    _ scheme: QuantizationScheme, _ parameters: ParameterStore
  ) -> QuantizationPlan? {
    if let plan = try? QuantizationPlan(scheme, for: parameters) { return plan }
    var simple = scheme
    simple.exceptions = []
    simple.keep = scheme.keep.filter { (try? parameters.paths(matching: $0)) != nil }
    return try? QuantizationPlan(simple, for: parameters)
  }

  private func freshConfiguration() throws -> (LlamaConfiguration, Tokenizer?) {
    guard case .llama(let recipe) = recipe.model else {
      preconditionFailure("Experiment: a model is a folder, a language model or a classifier")
    }
    let tokenizer = try tokenizerFile.map { try Tokenizer(contentsOf: $0) }
    var vocabulary = tokenizer?.vocabularySize ?? 0
    if case .train(_, let size) = recipe.tokenizer { vocabulary = size }
    return (recipe.configuration(vocabulary: vocabulary), tokenizer)
  }

  /// Bytes of the files with a model's weights.
  private static func storedBytes(of model: URL) -> Int {
    func size(_ file: URL) -> Int {
      (try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize ?? 0
    }
    let files = try? FileManager.default.contentsOfDirectory(
      at: model, includingPropertiesForKeys: [.fileSizeKey])
    guard let files else { return size(model) }
    return files.filter { $0.pathExtension == "safetensors" }.reduce(0) { $0 + size($1) }
  }

  /// The batch with the most tokens that a stage computes at once.
  private func largestBatch(_ model: LlamaConfiguration) -> (batch: Int, length: Int) {
    let usual = LanguageTask.evaluationLength(model)
    let trained = LanguageTask.trainingLength(model)
    let shapes = recipe.stages.flatMap { stage -> [(Int, Int)] in
      switch stage {
      case .train(let stage): [(stage.batch, stage.length ?? trained)]
      case .rotate(let stage) where stage.learning.steps > 0:
        [(stage.learning.batch, stage.learning.length ?? trained)]
      case .ladder(let stage):
        stage.rungs.map { ($0.learning.batch, $0.learning.length ?? trained) }
      default: []
      }
    }
    let largest = shapes.max { $0.0 * $0.1 < $1.0 * $1.1 } ?? (max(1, 2048 / usual), usual)
    return (largest.0, min(largest.1, model.context))
  }

  /// Tokens of a source; of text, from what the first piece of the first file gives.
  private func tokens(_ source: ResolvedSource?, _ tokenizer: Tokenizer?) throws -> Int? {
    switch source {
    case nil, .digits, .images: return nil
    case .generated(let tokens, _): return tokens
    case .text(let files, _):
      let bytes = files.reduce(0) { total, file in
        let size = try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int
        return total + (size ?? 0)
      }
      guard let tokenizer, let first = files.first,
        let handle = try? FileHandle(forReadingFrom: first),
        let piece = try? handle.read(upToCount: 1 << 16), !piece.isEmpty
      else { return bytes / 4 }
      let count = tokenizer.encode(String(decoding: piece, as: UTF8.self)).count
      return Int(Double(bytes) * Double(count) / Double(piece.count))
    }
  }

  /// Seconds for one token of sampled text: of its first positions, and what attention to half of a
  /// text takes more.
  private static func samplingSeconds(_ model: Llama, _ parameters: ParameterStore) -> Double {
    let positions = min(9, model.configuration.context)
    func sample(_ length: Int) -> Double {
      let started = systemSeconds()
      _ = model.sampleText(batch: 64, length: length, seed: 0, parameters) { _ in }
      return systemSeconds() - started
    }
    _ = sample(2)
    let first = sample(positions) / Double(64 * max(positions - 1, 1))
    let half = model.configuration.context / 2
    let batch = max(1, min(64, 2048 / max(half, 1)))
    var cache = GenerationCache(
      model.configuration, batch: batch, capacity: model.configuration.context)
    func extend(_ length: Int) -> Double {
      let window = TokenWindow(
        [Int32](repeating: 0, count: batch * length), batch: batch, length: length)
      let started = systemSeconds()
      _ = try? model(window, ForwardPass(parameters), continuing: &cache)
      return systemSeconds() - started
    }
    guard half > 4 else { return first }
    let early = (0..<2).map { _ in extend(1) }.min() ?? 0
    _ = extend(half - 3)
    let late = (0..<2).map { _ in extend(1) }.min() ?? 0
    return first + max(0, late - early) / Double(batch)
  }

  // MARK: Images

  private func imageEstimate(_ model: ImageModel) throws -> RunEstimate {
    let task = ImageTask(model: model, training: nil, calibration: nil, evaluation: nil)
    let plan = try recipe.scheme.map { try QuantizationPlan($0, for: model.parameters) }
    let classes = model.configuration.classes
    let extents = model.configuration.image
    let largest =
      recipe.stages.map { stage in
        if case .train(let stage) = stage { stage.batch } else { 1 }
      }.max() ?? 1
    let units = min(max(largest, 2), 64)
    let probe = try StepProbe(
      task, workRatio: 1, keptRatio: 1, parameterRatio: 1, plan: plan, precision: recipe.precision,
      calibrating: units
    ) { units in
      var random = RandomStream(seed: 0).derived("estimate")
      let labels = (0..<units).map { _ in Int32(random.integer(below: classes)) }
      return ImageSet(images: random.normal(Shape([units] + extents)), labels: labels)
        .sequentialBatches(size: units)[0]
    }
    var counting = StageCounting(
      recipe, units: "images", parameters: model.parameters, plan: plan)
    counting.evaluationUnits = try images(evaluation)
    let seen = try (images(training) ?? 0) + (images(calibration) ?? 0)
    counting.imageBytes = 4 * extents.reduce(1, *) * (seen + (counting.evaluationUnits ?? 0))
    return try counting.estimate(probe, units: units)
  }

  private func images(_ source: ResolvedSource?) throws -> Int? {
    switch source {
    case .digits(let count, _): count
    case .images(_, _, let range?): range.count
    case .images(_, let labels, nil): try IDXFile(contentsOf: labels, axes: 1).dimensions[0]
    default: nil
    }
  }
}
