import GyroModels
import GyroQuantization
import GyroRotation

/// What rotations and outliers did to the activations, in figures and pictures.
extension StageRunner {
  /// Looks at the activations before and after rotations; draws unless the stage is a rung.
  mutating func look(
    _ stage: RotateStage, _ place: StagePlace, _ work: RotationWork,
    _ figures: inout [String: Double]
  ) throws {
    let batch = try batches(of: stage)(0)
    if qualityBefore == nil, let plan = unrotatedPlan {
      try context.working("\(stage.label): activations", 0, 2)
      qualityBefore = try quality(plan, work.learning.base, NoInstrumentation(), batch)
    }
    try context.working("\(stage.label): activations", 1, 2)
    let after = try quality(work.learning.plan, parameters, work.learning.plan.online, batch)
    qualityAfter = after
    guard let before = qualityBefore else { return }
    figures.merge(before.figures(after: after)) { $1 }
    guard place.rung == nil else { return }
    try draw(
      place, stage.label, before, after, names: ("not rotated", stage.label), role: stage.role)
  }

  /// Looks at the activations of a model and of its twin.
  func look(
    _ stage: OutliersStage, _ place: StagePlace, _ batch: T.Batch, _ model: ParameterStore,
    _ figures: inout [String: Double]
  ) throws {
    try context.working("\(stage.label): activations", 0, 2)
    let before = try quality(unrotatedPlan, model, NoInstrumentation(), batch)
    try context.working("\(stage.label): activations", 1, 2)
    let after = try quality(unrotatedPlan, parameters, NoInstrumentation(), batch)
    figures.merge(before.figures(after: after)) { $1 }
    try draw(
      place, stage.label, before, after, names: ("model", stage.label), role: .numbered(4))
  }

  private func quality(
    _ plan: QuantizationPlan?, _ parameters: ParameterStore, _ online: any Instrumentation,
    _ batch: T.Batch
  ) throws -> ActivationQuality.Report {
    var parameters = parameters
    if let plan, !plan.siteStatePaths.allSatisfy(parameters.contains) {
      plan.forget(&parameters)
      try prepare(plan.forActivations(of: parameters), &parameters, CalibrateStage())
    }
    let quality = ActivationQuality(plan, online: online)
    let pass = ForwardPass(
      parameters, instrumentation: quality, precision: context.recipe.precision)
    _ = task.scores(batch, pass)
    if let fault = pass.fault { throw fault }
    return quality.report
  }

  // MARK: Pictures

  /// The surface of the site with the heaviest tails, and bars of all sites.
  func draw(
    _ place: StagePlace, _ label: String, _ before: ActivationQuality.Report,
    _ after: ActivationQuality.Report, names: (before: String, after: String), role: SeriesRole
  ) throws {
    guard before.map(\.site) == after.map(\.site),
      let worst = before.indices.max(by: { before[$0].kurtosis < before[$1].kurtosis })
    else { return }
    let number = place.index + 1
    let surface = ActivationSurface(
      title: "\(label): activations at \(before[worst].site)",
      panels: [(names.before, before[worst]), (names.after, after[worst])].map { name, entry in
        .init(label: name, values: entry.sample, channels: entry.channels)
      })
    try context.folder.write(picture: surface.svg, named: "\(number)-activations")
    func bars(_ value: (ActivationQuality.Entry) -> Double?) -> [LayerBars.Series] {
      [
        .init(name: names.before, role: .unrotated, values: before.map(value)),
        .init(name: names.after, role: role, values: after.map(value)),
      ]
    }
    let layers = before.map(\.site.shortSite)
    if before.meanDecibels != nil {
      let picture = LayerBars(
        title: "\(label): what quantizers keep of activations",
        axis: "signal over quantization error, dB", layers: layers, series: bars(\.decibels))
      try context.folder.write(picture: picture.svg, named: "\(number)-sqnr")
    }
    let picture = LayerBars(
      title: "\(label): tails of activations", axis: "kurtosis", layers: layers,
      series: bars(\.kurtosis), isLogarithmic: true, reference: ("normal values, 3", 3))
    try context.folder.write(picture: picture.svg, named: "\(number)-kurtosis")
  }

  /// How much of what rounding loses each rung won back.
  func drawLadder(
    _ stage: LadderStage, _ place: StagePlace, _ parts: [ExperimentResults.Stage]
  ) throws {
    let roles = [SeriesRole.unrotated] + stage.rungs.map(\.role)
    let rungs = zip(parts, roles).enumerated().compactMap { index, pair -> LadderBars.Rung? in
      let (part, role) = pair
      guard let share = index == 0 ? 0 : part.figures["recovered"] else { return nil }
      let perplexity = part.figures["perplexity"]
      return .init(
        name: part.label, role: role, share: share,
        detail: perplexity.map { "perplexity " + ExperimentResults.text($0, of: "perplexity") }
          ?? "")
    }
    guard rungs.count > 1 else { return }
    let picture = LadderBars(title: "\(stage.label): what rotations win back", rungs: rungs)
    try context.folder.write(picture: picture.svg, named: "\(place.index + 1)-ladder")
  }
}

extension QuantizationPlan {
  /// The same for activations, with weights that need no preparation where that is possible.
  fileprivate func forActivations(of parameters: ParameterStore) -> QuantizationPlan {
    func light(_ rule: QuantizationRule?) -> QuantizationRule? {
      rule.map { QuantizationRule(format: $0.format, granularity: $0.granularity) }
    }
    var scheme = scheme
    scheme.weights = light(scheme.weights)
    scheme.embeddings = light(scheme.embeddings)
    for index in scheme.exceptions.indices {
      scheme.exceptions[index].weights = light(scheme.exceptions[index].weights)
    }
    return (try? QuantizationPlan(scheme, for: parameters)) ?? self
  }
}

extension ParameterPath {
  /// A site in a few letters, e.g. `0.attn.keys` for `model.layers.0.self_attn.keys`.
  var shortSite: String {
    name.replacing("model.layers.", with: "").replacing("self_attn", with: "attn")
      .replacing(".input", with: "")
  }
}

extension RotateStage {
  /// The color of what the stage makes.
  var role: SeriesRole {
    if learning.steps > 0 || local != nil || from != nil { return .learned }
    switch start {
    case .identity: return scalings.isEmpty ? .unrotated : .learned
    case .hadamard: return .hadamard
    case .orthogonal: return .random
    }
  }
}
