public import Foundation

/// What an experiment found out: one entry per finished stage. Written as `results.json`.
public struct ExperimentResults: Sendable, Equatable, Codable {
  /// The figures of one stage.
  public struct Stage: Sendable, Equatable, Codable {
    public var kind: String
    public var label: String
    /// Whether quantization was on.
    public var quantized: Bool
    /// By name: `loss`, `perplexity`, `accuracy`, `loss_above_float`, `divergence`, …
    public var figures: [String: Double]
    /// What a comparison compared.
    public var parts: [Stage]?
    /// Where an export was written.
    public var path: String?
    /// The time it took; it differs from run to run, everything else does not.
    public var seconds: Double

    public init(
      kind: String, label: String, quantized: Bool, figures: [String: Double],
      path: String? = nil, seconds: Double
    ) {
      self.kind = kind
      self.label = label
      self.quantized = quantized
      self.figures = figures
      self.path = path
      self.seconds = seconds
    }
  }

  public var name: String
  public var description: String
  /// The scheme in words; nil for a float experiment.
  public var scheme: String?
  public var schemeFingerprint: String?
  public var precision: String
  /// Number of trained elements.
  public var parameters: Int
  public var stages: [Stage] = []

  private enum CodingKeys: String, CodingKey {
    case name, description, scheme, precision, parameters, stages
    case schemeFingerprint = "scheme_fingerprint"
  }

  /// The stages that measured something, in order.
  public var measurements: [Stage] {
    stages.flatMap { $0.parts ?? [$0] }.filter { $0.figures["loss"] != nil }
  }

  /// The same results without the times: equal for equal recipes, resumed or not.
  public var withoutTimes: ExperimentResults {
    var copy = self
    for index in copy.stages.indices { copy.stages[index].seconds = 0 }
    return copy
  }

  /// One JSON object, keys sorted.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// The figures as a plain table, one line per measurement.
  public var table: String {
    let names = figureNames
    guard !names.isEmpty else { return "" }
    let rows =
      [["", ""] + names]
      + measurements.map { stage in
        [stage.label, stage.quantized ? "quantized" : "float"]
          + names.map { name in stage.figures[name].map { Self.text($0, of: name) } ?? "" }
      }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += (column < 2 ? cell + padding : padding + cell) + "  "
      }
      while line.hasSuffix(" ") { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }

  /// The names of figures worth a column, in the order in which people read them.
  var figureNames: [String] {
    let known = ["loss", "perplexity", "accuracy", "loss_above_float", "divergence"]
    let further = Set(measurements.flatMap { $0.figures.keys })
      .filter { $0.hasPrefix("perplexity on ") }.sorted()
    return (known + further).filter { name in
      measurements.contains { $0.figures[name] != nil }
    }
  }

  /// A figure as people read it.
  static func text(_ value: Double, of name: String) -> String {
    switch name.split(separator: " ").first ?? "" {
    case "accuracy": String(format: "%.2f %%", value * 100)
    case "perplexity": String(format: "%.3f", value)
    case "loss_above_float": String(format: "%+.5f", value)
    default: String(format: "%.5f", value)
    }
  }
}
