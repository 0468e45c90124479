import GyroModels

/// Tries rotations from the simplest to the most expensive and keeps the best.
extension StageRunner {
  mutating func climb(_ stage: LadderStage, _ index: Int) throws -> ExperimentResults.Stage {
    let subject = EvaluateStage(
      label: stage.label, quantized: nil, limit: stage.limit, length: stage.length)
    var result = ExperimentResults.Stage(
      kind: "ladder", label: stage.label, quantized: true, figures: [:], seconds: 0)
    var parts: [ExperimentResults.Stage] = []
    unrotate()
    try turn(quantized: false)
    let float = try measured(subject, "float").figures
    try turn(quantized: true)
    parts.append(try measured(subject, "not rotated"))
    let rounded = parts[0].figures
    var best = (rung: 0, loss: rounded["loss"] ?? 0, state: kept)
    var pictured:
      (loss: Double, label: String, role: SeriesRole, quality: ActivationQuality.Report)?
    for (number, rung) in stage.rungs.enumerated() {
      let found = try rotate(rung, StagePlace(index, rung: number))
      try turn(quantized: true)
      var part = try measured(subject, rung.label)
      let loss = part.figures["loss"] ?? .infinity
      part.figures.merge(Self.recovered(part.figures, of: rounded, float)) { old, _ in old }
      part.figures.merge(found.figures) { measured, _ in measured }
      parts.append(part)
      if loss < best.loss { best = (number + 1, loss, kept) }
      if let quality = qualityAfter, loss < pictured?.loss ?? .infinity {
        pictured = (loss, rung.label, rung.role, quality)
      }
    }
    keep(best.state)
    result.parts = parts
    try drawLadder(stage, StagePlace(index), parts)
    if let before = qualityBefore, let pictured {
      try draw(
        StagePlace(index), stage.label, before, pictured.quality,
        names: ("not rotated", pictured.label), role: pictured.role)
    }
    result.figures = ["best_rung": Double(best.rung)]
    context.progress(
      .note(
        best.rung == 0
          ? "not rotating is best here: every rotation that was tried lost more"
          : "the best rung is '\(stage.rungs[best.rung - 1].label)'"))
    return result
  }

  /// `recovered`: the share of what rounding loses that is won back, for every text measured.
  private static func recovered(
    _ figures: [String: Double], of rounded: [String: Double], _ float: [String: Double]
  ) -> [String: Double] {
    var shares: [String: Double] = [:]
    for (name, loss) in figures where name == "loss" || name.hasPrefix("loss on ") {
      guard let worst = rounded[name], let least = float[name], worst > least else { continue }
      shares["recovered" + name.dropFirst("loss".count)] = (worst - loss) / (worst - least)
    }
    return shares
  }

  /// Brings everything to where a finished ladder left it.
  mutating func skip(
    _ stage: LadderStage, _ index: Int, _ result: ExperimentResults.Stage
  ) throws {
    unrotate()
    try turn(quantized: false)
    let best = Int(result.figures["best_rung"] ?? 0)
    if best > 0 { try skip(stage.rungs[best - 1], StagePlace(index, rung: best - 1)) }
    try turn(quantized: true)
  }

  private mutating func measured(
    _ subject: EvaluateStage, _ label: String
  ) throws -> ExperimentResults.Stage {
    var stage = subject
    stage.label = label
    return try measure(stage, kind: "ladder")
  }

  /// Back to the model before any rotation.
  private mutating func unrotate() {
    guard let before = beforeRotation else { return }
    parameters = before
    isRotated = false
    isQuantized = false
    isPreparationStale = true
    beforeRotation = nil
  }

  /// What a rung leaves behind.
  private typealias Kept = (
    parameters: ParameterStore, teacher: FloatModel, before: ParameterStore?, isRotated: Bool,
    isPreparationStale: Bool
  )

  private var kept: Kept { (parameters, teacher, beforeRotation, isRotated, isPreparationStale) }

  private mutating func keep(_ kept: Kept) {
    (parameters, teacher, beforeRotation, isRotated, isPreparationStale) = kept
    lastMeasured = nil
  }
}
