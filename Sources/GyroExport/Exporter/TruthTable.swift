import Foundation
import GyroModels
import GyroQuantization

/// What each format keeps of each scheme: the exporters' own answers, demand by demand, so the table
/// cannot say what the code does not do.
public struct TruthTable: Sendable, Codable {
  /// What one format keeps of one scheme.
  public struct Cell: Sendable, Codable, Equatable {
    /// The exporter's name.
    public let format: String
    /// `exact`, `values`, `within 0.0005`, `runtime` or `impossible`: the worst answer to any demand.
    public let verdict: String
    /// Why, for every answer but `exact`: one sentence for each, with what it is about.
    public let reasons: [String]
  }

  /// One scheme and what becomes of it.
  public struct Row: Sendable, Codable, Equatable {
    public let scheme: String
    public let summary: String
    public let cells: [Cell]
  }

  public let rows: [Row]

  /// The table of schemes people use, on a small Llama whose extents suit every format.
  public init() {
    var configuration = LlamaConfiguration(
      vocabulary: 512, hidden: 256, feedForward: 512, layers: 1, heads: 4)
    configuration.tiedEmbeddings = true
    let build = ModelBuilder.unfilled()
    _ = Llama(configuration, build)
    rows = SchemeCatalogue.all.map { name, scheme in
      // The catalogue's schemes fit this model; a test holds that.
      let plan = scheme.map { try! QuantizationPlan($0, for: build.store) }
      return Row(
        scheme: name, summary: scheme?.summary ?? "nothing is quantized",
        cells: Exporters.all.map { Self.cell($0, ExportDemand.all(of: build.store, under: plan)) })
    }
  }

  /// One row: what becomes of a model.
  public init(of model: ShippedModel, named name: String) {
    rows = [
      Row(
        scheme: name, summary: model.scheme?.summary ?? "nothing is quantized",
        cells: Exporters.all.map { Self.cell($0, model.demands) })
    ]
  }

  private static func cell(
    _ exporter: any CheckpointExporter, _ demands: [ExportDemand]
  ) -> Cell {
    var worst = Fidelity.exact
    var reasons: [(text: String, subjects: [String])] = []
    for demand in demands {
      let answer = exporter.fidelity(of: demand, ExportOptions())
      worst = max(worst, answer)
      guard answer != .exact else { continue }
      let text = answer.description
      let subject = demand.subject
      if let place = reasons.firstIndex(where: { $0.text == text }) {
        if !reasons[place].subjects.contains(subject) { reasons[place].subjects.append(subject) }
      } else {
        reasons.append((text, [subject]))
      }
    }
    return Cell(
      format: exporter.name, verdict: worst.verdict,
      reasons: reasons.map { "\($0.subjects.joined(separator: ", ")): \($0.text)" })
  }
}

extension Fidelity {
  /// One word or two for a cell.
  var verdict: String {
    switch self {
    case .exact: "exact"
    case .within(0, _): "values"
    case .within(let error, _): "within \(error.inTwoDigits)"
    case .leftToRuntime: "runtime"
    case .impossible: "impossible"
    }
  }
}

extension ExportDemand {
  /// What kind of thing it is about, for reasons that hold for many places.
  fileprivate var subject: String {
    switch self {
    case .weight(let parameter, _): parameter.kind == .embedding ? "tables" : "weights"
    case .activation(let site, _):
      switch site.kind {
      case .keys: "keys"
      case .values: "values"
      case .input: "activations"
      default: "activations (\(site.kind.rawValue))"
      }
    case .transform(let site, _): site.kind == .input ? "R4" : "R3"
    }
  }
}

extension TruthTable {
  /// The verdicts as a table in Markdown.
  public var markdown: String {
    let formats = rows.first?.cells.map(\.format) ?? []
    func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
    let head = [line(["scheme"] + formats), line(formats.map { _ in "---" } + ["---"])]
    return (head + rows.map { line([$0.scheme] + $0.cells.map(\.verdict)) })
      .joined(separator: "\n")
  }
}

extension Float {
  /// A bound, which is an order of magnitude, in two digits.
  fileprivate var inTwoDigits: String {
    Double(self).formatted(
      .number.precision(.significantDigits(2)).notation(.scientific)
        .locale(Locale(identifier: "en_US_POSIX"))
    ).lowercased()
  }
}
