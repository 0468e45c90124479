import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels

/// Writes what ships, reads it back and measures it as a stranger would.
extension StageRunner {
  func export(_ stage: ExportStage) throws -> ExperimentResults.Stage {
    let target =
      stage.path.hasPrefix("/")
      ? URL(filePath: stage.path) : context.folder.url.appending(path: stage.path)
    let written =
      try stage.format == ExportStage.checkpoint
      ? checkpoint(stage, at: target)
      : exported(stage, by: Exporters.named(stage.format), at: target)
    var result = ExperimentResults.Stage(
      kind: "export", label: stage.format, quantized: isQuantized, figures: written.figures,
      path: stage.path, seconds: 0)
    guard let (subject, expected) = lastMeasured else { return result }
    // The file is what ships, so it is what counts.
    let figures = try task.evaluate(written.parameters, subject, arithmetic) { done, total in
      try context.working("\(subject.label), read back", done, total)
    }
    for (name, value) in expected where written.isExact && figures[name] != value {
      throw ExperimentError.exportDiffers(
        folder: target.path, figure: name, expected: value, got: figures[name] ?? .nan)
    }
    result.label =
      (stage.format == ExportStage.checkpoint ? "" : "\(stage.format): ")
      + subject.label + ", read back"
    result.figures.merge(compared(subject, figures)) { _, measured in measured }
    return result
  }

  /// What was written, as it reads.
  private struct Written {
    var parameters: ParameterStore
    /// Whether every number is the trained one.
    var isExact: Bool
    var figures: [String: Double] = [:]
  }

  private func checkpoint(_ stage: ExportStage, at target: URL) throws -> Written {
    let type = stage.numbers ?? .float32
    try task.write(settled(), scheme: isQuantized ? plan!.scheme : nil, to: target, as: type)
    return Written(parameters: try task.read(target), isExact: type == .float32)
  }

  private func exported(
    _ stage: ExportStage, by exporter: any CheckpointExporter, at target: URL
  ) throws -> Written {
    let model = try task.shipped(settled(), scheme: isQuantized ? plan!.scheme : nil)
    let report = try exporter.write(
      model, to: target,
      ExportOptions(
        floatType: stage.numbers, storage: stage.storage, allowsLoss: stage.allowsLoss))
    for note in report.notes { context.progress(.note("\(stage.format): \(note)")) }
    let copy = try ReadBack(target)
    let proof = try Verification(of: copy, against: model, report: report)
    guard proof.passes else {
      throw ExperimentError.exportFails(path: target.path, summary: proof.summary)
    }
    var figures = ["bytes": Double(report.byteCount)]
    let losses = report.entries.compactMap(\.signalToNoise)
    figures["lossy_tensors"] = Double(losses.count)
    figures["least_signal_to_noise_db"] = losses.min()
    return Written(
      parameters: copy.model.parameters, isExact: report.isExact,
      figures: figures)
  }
}
