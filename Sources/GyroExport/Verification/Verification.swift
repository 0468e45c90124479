public import Foundation
import GyroModels
import GyroQuantization
import GyroTensors

/// The proof that a file holds what was trained: its bytes read again and compared layer by layer,
/// codes, scales and values, then its logits on fixed inputs.
public struct Verification: Sendable, Codable {
  /// One weight or table. Counts are of elements that differ; nil where there is nothing to compare.
  public struct Layer: Sendable, Codable, Equatable {
    public let path: String
    public let elements: Int
    /// Codes that stand for another whole number or level.
    public let codes: Int?
    /// Elements whose scale differs.
    public let scales: Int?
    /// Elements whose value differs, bit for bit.
    public let values: Int
    /// The largest difference of a value, relative to the largest value of the tensor.
    public let largest: Double
    /// What the format says it keeps; nil when the file is not an export.
    public let promised: String?
    /// Whether the layer is what the format promises.
    public let passes: Bool
  }

  public let path: String
  /// The exporter's name, or `checkpoint`.
  public let format: String
  /// What it was compared with; nil when the file was only read.
  public let against: String?
  /// The fingerprints of the schemes: of the file, and of what it was compared with.
  public let fingerprint, expectedFingerprint: String?
  public let layers: [Layer]
  /// The largest difference of a logit on the fixed inputs; nil without something to compare with.
  public let logitDifference: Double?
  /// Whether all logits are finite.
  public let hasFiniteLogits: Bool

  /// Whether the file holds what it should.
  public var passes: Bool {
    hasFiniteLogits && layers.allSatisfy(\.passes)
      && (against == nil || fingerprint == expectedFingerprint)
      && (logitDifference ?? 0 == 0 || layers.contains { $0.values > 0 })
  }

  /// One line that begins with PASS or FAIL.
  public var summary: String {
    var parts = ["\(passes ? "PASS" : "FAIL") \(format) \(path):", "\(layers.count) tensors"]
    if against != nil {
      func total(_ count: (Layer) -> Int?) -> Int { layers.reduce(0) { $0 + (count($1) ?? 0) } }
      parts.append(
        "\(total(\.codes)) codes, \(total(\.scales)) scales, \(total(\.values)) values differ")
      if let logitDifference { parts.append("logits by \(Float(logitDifference))") }
      if fingerprint != expectedFingerprint {
        parts.append("scheme \(fingerprint ?? "none") instead of \(expectedFingerprint ?? "none")")
      }
      let failing = layers.filter { !$0.passes }.map(\.path)
      if let first = failing.first {
        parts.append("\(failing.count) layers are not what was promised, first \(first)")
      }
    } else {
      parts.append("read back, scheme \(fingerprint ?? "none")")
    }
    if !hasFiniteLogits { parts.append("logits are not finite") }
    return parts[0] + " " + parts.dropFirst().joined(separator: ", ")
  }

  /// Compares what was read with a checkpoint.
  ///
  /// - Parameter reference: the checkpoint that was exported, or the folder of the run that made it;
  ///   nil only looks at what was read.
  /// - Throws: what reading the checkpoint throws, and as below.
  public init(of copy: ReadBack, against reference: URL?) throws {
    let expected = try reference.map { try ShippedModel(at: Self.checkpoint(in: $0)) }
    try self.init(of: copy, against: expected, named: reference?.relativePath ?? "the model")
  }

  /// Compares what was read with the model that was written.
  ///
  /// - Parameters:
  ///   - reference: what the model is called in messages.
  ///   - report: what the exporter said it wrote. A loss that it measured is expected, a larger one (by
  ///     0.1 dB) is not; without a report every loss that the format does not have of itself is a
  ///     failure.
  /// - Throws: ``ExportError/malformed(file:place:expected:found:)`` when tensors are missing;
  ///   `NumericFault` when a quantizer meets a value that is not finite.
  public init(
    of copy: ReadBack, against expected: ShippedModel? = nil,
    named reference: String = "the model", report: ExportReport? = nil
  ) throws {
    let (found, exporter) = (copy.model, copy.exporter)
    path = copy.source.relativePath
    format = exporter?.name ?? "checkpoint"
    against = expected.map { _ in reference }
    fingerprint = found.scheme?.fingerprint
    expectedFingerprint = report.map(\.fingerprint) ?? expected?.scheme?.fingerprint
    let promises = Dictionary(
      (expected ?? found).demands.compactMap { demand -> (ParameterPath, Fidelity)? in
        guard case .weight = demand, let exporter else { return nil }
        return (demand.path, exporter.fidelity(of: demand, ExportOptions()))
      }, uniquingKeysWith: { first, _ in first })
    let losses = Dictionary(
      (report?.entries ?? []).map { ($0.path, $0.signalToNoise) },
      uniquingKeysWith: { first, _ in first }
    ).compactMapValues { $0 }
    layers = try LayerComparison.layers(of: found, against: expected, promises, losses)
    let logits = try FixedInputs.logits(of: found)
    hasFiniteLogits = logits.elements.allSatisfy(\.isFinite)
    logitDifference = try expected.map { expected in
      let wanted = try FixedInputs.logits(of: expected)
      guard wanted.shape == logits.shape else { return .infinity }
      return zip(wanted.elements, logits.elements)
        .reduce(0.0) { max($0, abs(Double($1.0) - Double($1.1))) }
    }
  }

  /// The checkpoint that a run's folder holds, or the folder itself.
  private static func checkpoint(in url: URL) -> URL {
    let model = url.appending(path: "model")
    let manager = FileManager.default
    let isCheckpoint = manager.fileExists(atPath: url.appending(path: "config.json").path)
    return !isCheckpoint && manager.fileExists(atPath: model.path) ? model : url
  }
}
