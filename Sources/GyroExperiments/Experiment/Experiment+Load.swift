import Foundation
import GyroCheckpoints
import GyroDatasets
import GyroExport
import GyroModels
import GyroRotation
import GyroText

extension Experiment {
  /// Reads or makes the model and the data.
  func load(_ say: (ExperimentEvent) throws -> Void) throws -> any ExperimentTask {
    if case .classifier(let classifier) = recipe.model {
      return try imageTask(ImageModel(classifier.configuration, seed: UInt64(recipe.seed)))
    }
    guard let modelFolder else {
      return try languageTask(try ready(try languageModel(say), say), say)
    }
    switch try ShippedModel(at: modelFolder).network {
    case .image(let model): return try imageTask(model)
    case .language(let model): return try languageTask(try ready(model, say), say)
    }
  }

  // MARK: Language

  private func languageModel(_ say: (ExperimentEvent) throws -> Void) throws -> LanguageModel {
    guard case .llama(let recipe) = recipe.model else {
      preconditionFailure("Experiment: a model is a folder, a language model or a classifier")
    }
    let tokenizer = try tokenizer(recipe, say)
    var configuration = recipe.configuration(vocabulary: tokenizer.vocabularySize)
    // A vocabulary learned here never saw a beginning of text, so a model cannot start from one.
    if tokenizerFile != nil {
      configuration.beginningOfText = tokenizer.beginningOfText.map(Int.init)
    }
    configuration.endOfText = tokenizer.endOfText.map { [Int($0)] } ?? []
    let (model, parameters) = Llama.initialized(configuration, seed: UInt64(self.recipe.seed))
    return LanguageModel(model: model, parameters: parameters, tokenizer: tokenizer)
  }

  /// A float model that is about to be rotated gets an output projection of its own and norms without
  /// gains; it computes the same.
  private func ready(
    _ language: LanguageModel, _ say: (ExperimentEvent) throws -> Void
  ) throws -> LanguageModel {
    guard recipe.turnsModel, language.scheme == nil else { return language }
    let tied = language.configuration.tiedEmbeddings
    let (configuration, parameters) = try RotationPreparation.prepared(
      language.configuration, language.parameters)
    try say(
      .note(
        "folded the norms' gains into the weights that read them"
          + (tied ? ", and gave lm_head its own copy of the embeddings" : "")))
    return LanguageModel(
      model: Llama(configuration, .unfilled()), parameters: parameters,
      tokenizer: language.tokenizer)
  }

  private func tokenizer(
    _ recipe: LlamaRecipe, _ say: (ExperimentEvent) throws -> Void
  ) throws -> Tokenizer {
    if let tokenizerFile { return try Tokenizer(contentsOf: tokenizerFile) }
    guard case .train(_, let vocabulary) = recipe.tokenizer else {
      preconditionFailure("Experiment: a tokenizer is read or trained")
    }
    try say(.note("learning a vocabulary of \(vocabulary) tokens"))
    var texts: [String] = []
    for file in tokenizerTexts { texts.append(try TextFiles.read(file)) }
    return try ByteLevelBPETrainer(vocabularySize: vocabulary).train(on: texts)
  }

  private func languageTask(
    _ language: LanguageModel, _ say: (ExperimentEvent) throws -> Void
  ) throws -> LanguageTask {
    for stage in recipe.stages {
      switch stage {
      case .train(let stage):
        try LanguageTask.check(length: stage.length, of: stage.label, language.configuration)
      case .evaluate(let stage), .round(let stage):
        try LanguageTask.check(length: stage.length, of: stage.label, language.configuration)
      case .calibrate(let stage):
        try LanguageTask.check(length: stage.length, of: stage.label, language.configuration)
      case .compare(let stage):
        try LanguageTask.check(length: stage.length, of: stage.label, language.configuration)
      case .rotate(let stage):
        try LanguageTask.check(
          length: stage.learning.length, of: stage.label, language.configuration)
      case .ladder(let stage):
        for rung in stage.rungs {
          try LanguageTask.check(
            length: rung.learning.length, of: rung.label, language.configuration)
        }
        try LanguageTask.check(length: stage.length, of: stage.label, language.configuration)
      case .gptq(let stage):
        try LanguageTask.check(length: stage.length, of: stage.label, language.configuration)
      case .outliers, .export: break
      }
    }
    let training = try text(training, language, length: trainingLength(language), "data.train", say)
    let calibration = try text(
      calibration, language, length: calibrationLength(language), "data.calibrate", say)
    let evaluation = try text(
      evaluation, language, length: evaluationLength(language), "data.evaluate", say)
    var further: [(name: String, text: LanguageTask.Text)] = []
    for (name, source) in furtherEvaluations {
      let length = evaluationLength(language)
      if let text = try text(source, language, length: length, "data.also-evaluate.\(name)", say) {
        further.append((name, text))
      }
    }
    return LanguageTask(
      language: language, training: training, calibration: calibration, evaluation: evaluation,
      furtherEvaluations: further)
  }

  private func text(
    _ source: ResolvedSource?, _ language: LanguageModel, length: Int, _ name: String,
    _ say: (ExperimentEvent) throws -> Void
  ) throws -> LanguageTask.Text? {
    switch source {
    case nil: return nil
    case .text(let files, let name):
      guard let tokenizer = language.tokenizer else {
        throw ExperimentError.unfit(
          what: name, reason: "the model's folder has no tokenizer.json, so text has no tokens")
      }
      try say(.note("reading \(files.count) files of text for \(name)"))
      let stream = try TokenStream(
        files: files, tokenizer: tokenizer, separator: tokenizer.endOfText)
      try stream.check(vocabularySize: language.configuration.vocabulary)
      return .stream(stream, name: name)
    case .generated(let tokens, let seed):
      guard language.scheme == nil else {
        throw ExperimentError.unfit(
          what: name, reason: "text is sampled from a float model, but the checkpoint is quantized")
      }
      try say(.note("sampling \(tokens) tokens of text for \(name)"))
      // The last target of a window needs one token more than its inputs.
      return .sampled(
        try SampledWindows.sample(
          language.model, language.parameters.decodingApart(), tokens: tokens, length: length + 1,
          seed: UInt64(seed)
        ) { try say(.working(label: "sampling text for \(name)", done: $0, total: $1)) })
    case .digits, .images:
      throw ExperimentError.unfit(what: name, reason: "a language model cannot learn from images")
    }
  }

  /// The longest window that a training stage cuts.
  private func trainingLength(_ language: LanguageModel) -> Int {
    let usual = LanguageTask.trainingLength(language.configuration)
    return recipe.stages.map { stage in
      switch stage {
      case .train(let stage): stage.length ?? usual
      case .rotate(let stage): stage.learning.length ?? usual
      case .ladder(let stage): stage.rungs.map { $0.learning.length ?? usual }.max() ?? 1
      default: 1
      }
    }.max() ?? 1
  }

  /// The longest window that calibration cuts.
  private func calibrationLength(_ language: LanguageModel) -> Int {
    let usual = LanguageTask.evaluationLength(language.configuration)
    let lengths = recipe.stages.compactMap { stage in
      switch stage {
      case .calibrate(let stage): stage.length ?? usual
      // Ranges that are found once are found anew for the rotated model.
      case .rotate(let stage): max(stage.learning.length ?? usual, usual)
      case .ladder(let stage): stage.rungs.map { max($0.learning.length ?? usual, usual) }.max()
      case .gptq(let stage): stage.length ?? usual
      case .outliers: usual
      default: nil
      }
    }
    return lengths.max() ?? usual
  }

  /// The longest window that a measurement cuts.
  private func evaluationLength(_ language: LanguageModel) -> Int {
    let usual = LanguageTask.evaluationLength(language.configuration)
    let lengths = recipe.stages.compactMap { stage in
      switch stage {
      case .evaluate(let stage), .round(let stage): stage.length ?? usual
      case .compare(let stage): stage.length ?? usual
      case .ladder(let stage): stage.length ?? usual
      default: nil
      }
    }
    return lengths.max() ?? usual
  }

  // MARK: Images

  private func imageTask(_ model: ImageModel) throws -> ImageTask {
    guard furtherEvaluations.isEmpty else {
      throw ExperimentError.unfit(
        what: "data.also-evaluate", reason: "it measures language models, and this one sees images")
    }
    return ImageTask(
      model: model, training: try images(training, "data.train"),
      calibration: try images(calibration, "data.calibrate"),
      evaluation: try images(evaluation, "data.evaluate"))
  }

  private func images(_ source: ResolvedSource?, _ name: String) throws -> ImageSet? {
    switch source {
    case nil: return nil
    case .digits(let count, let seed): return DrawnDigits.images(count: count, seed: UInt64(seed))
    case .images(let images, let labels, let range):
      let all = try ImageSet(images: images, labels: labels)
      guard let range else { return all }
      guard range.upperBound <= all.count else {
        throw RecipeError.outOfRange(
          recipe.places["\(name).range"], expected: "a range within the \(all.count) images",
          got: "[\(range.lowerBound), \(range.upperBound)]")
      }
      return all[range]
    case .text, .generated:
      throw ExperimentError.unfit(what: name, reason: "an image classifier cannot learn from text")
    }
  }
}

extension Recipe {
  /// Whether a stage multiplies orthogonal matrices into the model.
  var turnsModel: Bool {
    stages.contains { stage in
      switch stage {
      case .rotate, .ladder, .outliers: true
      default: false
      }
    }
  }
}

extension LlamaRecipe {
  /// The shape of the model.
  func configuration(vocabulary: Int) -> LlamaConfiguration {
    var configuration = LlamaConfiguration(
      vocabulary: vocabulary, hidden: hidden, feedForward: feedForward, layers: layers,
      heads: heads, keyValueHeads: keyValueHeads, context: context)
    configuration.tiedEmbeddings = tied
    configuration.rotaryBase = rotaryBase
    configuration.normEpsilon = Float(normEpsilon)
    return configuration
  }
}

extension ClassifierRecipe {
  /// The shape of the model.
  var configuration: ImageModelConfiguration {
    let kind: ImageModelConfiguration.Architecture =
      switch architecture {
      case .lenet: .lenet
      case .resnet: .resnet(widths: [width, 2 * width, 4 * width], blocksPerStage: blocks)
      case .mobilenet:
        .mobilenet(
          stem: width,
          blocks: [
            .init(width: 2 * width), .init(width: 4 * width, stride: 2), .init(width: 4 * width),
            .init(width: 8 * width, stride: 2), .init(width: 8 * width),
          ])
      case .mlp: .perceptron(hidden: hidden)
      }
    return ImageModelConfiguration(kind, image: [channels, height, imageWidth], classes: classes)
  }
}
