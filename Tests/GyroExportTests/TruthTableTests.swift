import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("The truth table")
struct TruthTableTests {
  /// A small Llama with outliers in its weights, under a scheme.
  private func model(_ scheme: QuantizationScheme?) throws -> ShippedModel {
    var configuration = LlamaConfiguration(
      vocabulary: 64, hidden: 256, feedForward: 512, layers: 1, heads: 4, context: 64)
    configuration.tiedEmbeddings = true
    var (llama, parameters) = Llama.initialized(configuration, seed: 11)
    if let scheme { try QuantizationPlan(scheme, for: parameters).prepare(&parameters) }
    return try ShippedModel(
      LanguageModel(model: llama, parameters: parameters, scheme: scheme))
  }

  @Test("Names every scheme once, and every scheme fits the table's model")
  func catalogue() {
    let table = TruthTable()
    #expect(Set(table.rows.map(\.scheme)).count == table.rows.count)
    for row in table.rows { #expect(row.cells.map(\.format) == Exporters.all.map(\.name)) }
  }

  @Test(
    "Exact means bit for bit, a bound is kept, and what is impossible is refused",
    arguments: Exporters.all.map(\.name))
  func holds(_ name: String) throws {
    let exporter = try Exporters.named(name)
    for (scheme, rules) in SchemeCatalogue.all {
      var rules = rules
      // Static ranges need calibration, which these weights have none of.
      if rules?.activations?.isDynamic == false { rules?.activations = nil }
      if rules?.keys?.isDynamic == false {
        rules?.keys = nil
        rules?.values = nil
      }
      let model = try model(rules)
      let worst = model.demands.map { exporter.fidelity(of: $0, ExportOptions()) }.max() ?? .exact
      try inTemporaryFolder { folder in
        let target = folder.appendingPathComponent(exporter.writesFolder ? "x" : "x.\(name)")
        var isLossy = false
        switch worst {
        case .impossible:
          #expect(throws: (any Error).self, "\(name), \(scheme)") {
            try exporter.write(model, to: target, ExportOptions())
          }
          return
        case .within: isLossy = true
        case .exact, .leftToRuntime: break
        }
        let report = try exporter.write(model, to: target, ExportOptions(allowsLoss: isLossy))
        let proof = try Verification(of: ReadBack(target), against: model)
        #expect(proof.passes, "\(name), \(scheme): \(proof.summary)")
        if !isLossy {
          #expect(report.isExact, "\(name), \(scheme)")
          #expect(proof.layers.allSatisfy { $0.values == 0 }, "\(name), \(scheme)")
        }
      }
    }
  }

  @Test("The table in the documentation is the one the exporters give")
  func documentation() throws {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Documentation/Gyro.docc/Exporting.md")
    let text = try String(contentsOf: page, encoding: .utf8)
    let missing = TruthTable().markdown.split(separator: "\n").filter { !text.contains($0) }
    #expect(missing.isEmpty, "missing in Exporting.md: \(missing.joined(separator: "\n"))")
  }
}
