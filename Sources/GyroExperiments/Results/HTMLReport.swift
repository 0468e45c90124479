import Foundation

/// A run as one self-contained page: the table of figures, the loss curves, the recipe.
struct HTMLReport {
  let results: ExperimentResults
  let recipe: String
  /// Loss by step, per training stage.
  let curves: [(label: String, points: [(step: Int, loss: Double)])]

  var text: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(escaped(results.name))</title>
    <style>
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
      color: #1b1b1b; background: #fff }
    table { border-collapse: collapse; margin: 1rem 0 }
    th, td { padding: .3rem .9rem; border-bottom: 1px solid #ddd; text-align: right;
      font-variant-numeric: tabular-nums }
    th:first-child, td:first-child { text-align: left }
    pre { background: #f5f5f5; padding: 1rem; overflow: auto; font-size: 13px }
    svg { width: 100%; height: auto; background: #fafafa }
    </style></head><body>
    <h1>\(escaped(results.name))</h1>
    <p>\(escaped(results.description))</p>
    <p>\(escaped(summary))</p>
    \(table)
    \(curves.map(curve).joined(separator: "\n"))
    <h2>Recipe</h2>
    <pre>\(escaped(recipe))</pre>
    </body></html>

    """
  }

  private var summary: String {
    "\(results.parameters) parameters, \(results.precision) products, "
      + (results.scheme ?? "nothing quantized") + "."
  }

  private var table: String {
    let names = results.figureNames
    let head = (["", "arithmetic"] + names.map { $0.replacingOccurrences(of: "_", with: " ") })
      .map { "<th>\(escaped($0))</th>" }.joined()
    let rows = results.measurements.map { stage in
      let cells =
        [stage.label, stage.quantized ? "quantized" : "float"]
        + names.map { name in
          stage.figures[name].map { ExperimentResults.text($0, of: name) } ?? ""
        }
      return "<tr>" + cells.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>"
    }
    return "<table><thead><tr>\(head)</tr></thead><tbody>\n\(rows.joined(separator: "\n"))\n"
      + "</tbody></table>"
  }

  private func curve(_ label: String, _ points: [(step: Int, loss: Double)]) -> String {
    let finite = points.filter { $0.loss.isFinite }
    guard finite.count > 1, let first = finite.first, let last = finite.last else { return "" }
    let low = finite.map(\.loss).min()!
    let high = finite.map(\.loss).max()!
    let (width, height, margin) = (800.0, 280.0, 50.0)
    func x(_ step: Int) -> Double {
      margin + (width - 2 * margin) * Double(step - first.step)
        / Double(max(last.step - first.step, 1))
    }
    func y(_ loss: Double) -> Double {
      height - margin / 2 - (height - margin) * (loss - low) / max(high - low, 1e-12)
    }
    // A point per pixel is enough; more only makes the page heavy.
    let every = max(1, finite.count / 800)
    let path = finite.enumerated().filter { $0.offset % every == 0 }
      .map { String(format: "%.1f,%.1f", x($0.element.step), y($0.element.loss)) }
      .joined(separator: " ")
    func words(_ value: Double) -> String { String(format: "%.4f", value) }
    return """
      <h2>\(escaped(label)): loss by step</h2>
      <svg viewBox="0 0 \(Int(width)) \(Int(height))" role="img"
        aria-label="loss from \(words(first.loss)) to \(words(last.loss))">
      <polyline fill="none" stroke="#0a58ca" stroke-width="1.5" points="\(path)"/>
      <g font-size="12" fill="#555">
      <text x="4" y="\(Int(y(high)) + 4)">\(words(high))</text>
      <text x="4" y="\(Int(y(low)) + 4)">\(words(low))</text>
      <text x="\(Int(margin))" y="\(Int(height) - 4)">\(first.step)</text>
      <text x="\(Int(width - margin))" y="\(Int(height) - 4)" text-anchor="end">\(last.step)</text>
      </g></svg>
      """
  }

  private func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;")
      .replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(of: ">", with: "&gt;")
      .replacingOccurrences(of: "\"", with: "&quot;")
  }
}

/// Reads loss curves back from a `metrics.jsonl`.
enum LossCurve {
  static func points(of file: URL) -> [(step: Int, loss: Double)] {
    struct Line: Decodable {
      var step: Int
      var loss: Double?
    }
    guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
    return text.split(separator: "\n").compactMap { line in
      guard let line = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)),
        let loss = line.loss
      else { return nil }
      return (line.step, loss)
    }
  }
}
