import GyroCheckpoints
import GyroExport
import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("Online rotations where nobody runs them")
struct PlainRotationTests {
  private static let exporters: [any CheckpointExporter] = [PlainExporter(), MLXExporter()]

  /// A model with R3 and R4, whose other half is in `down_proj`.
  private func rotated(
    _ weights: QuantizationRule?, keep: [PathPattern] = []
  ) throws -> ShippedModel {
    var (model, parameters) = SmallModel.llama()
    let scheme = QuantizationScheme(
      weights: weights, keep: keep, rotations: RotationRule([.keys, .feedForward]))
    let path = ParameterPath("model.layers.0.mlp.down_proj.weight")
    parameters[path] = HadamardTransform(size: 96).applied(to: parameters[path])
    model = Llama(SmallModel.configuration, .unfilled())
    return try ShippedModel(LanguageModel(model: model, parameters: parameters, scheme: scheme))
  }

  @Test("R4 in quantized weights is refused, and says what to do", arguments: 0..<2)
  func refused(_ place: Int) throws {
    let exporter = Self.exporters[place]
    let model = try rotated(QuantizationRule(format: "int4"))
    let folder = try TemporaryFolder()
    let error = #expect(throws: ExportError.self) {
      try exporter.write(model, to: folder.url, ExportOptions())
    }
    #expect(
      "\(error!)"
        == "\(exporter.name) cannot carry the online rotation R4 at "
        + "'model.layers.0.mlp.down_proj.input': half of it is in the codes of "
        + "model.layers.0.mlp.down_proj.weight. Train with rotations [r1, r2], which merge "
        + "completely.")
    for demand in model.demands {
      guard case .transform(let site, _) = demand else { continue }
      switch exporter.fidelity(of: demand, ExportOptions()) {
      case .impossible(let reason):
        #expect(site.kind == .input && reason.contains("[r1, r2]"))
      case .leftToRuntime: #expect(site.kind == .queries || site.kind == .keys)
      default: Issue.record("\(site.path)")
      }
    }
  }

  @Test("R4 is taken back out of float weights, and the model stays what it was", arguments: 0..<2)
  func unrotated(_ place: Int) throws {
    let exporter = Self.exporters[place]
    let model = try rotated(QuantizationRule(format: "int8"), keep: ["*down_proj*"])
    let folder = try TemporaryFolder()
    let report = try exporter.write(model, to: folder.url, ExportOptions())
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme?.rotations == RotationRule([.keys]))
    #expect(report.fingerprint == read.scheme?.fingerprint)
    #expect(report.notes.contains { $0.contains("R4 was multiplied back into 1 down_proj") })
    expectClose(
      try SmallModel.logits(read), try SmallModel.logits(model), relative: 1e-4, absolute: 1e-5)
  }
}
