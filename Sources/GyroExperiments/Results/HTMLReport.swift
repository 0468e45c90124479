import Foundation

/// A run as one self-contained page: the table of figures, the loss curves, the pictures, the
/// recipe.
struct HTMLReport {
  let results: ExperimentResults
  let recipe: String
  /// Loss by step, per training stage.
  let curves: [(label: String, points: [(step: Int, loss: Double)])]
  /// What the stages drew, as `RunFolder.readPictures` gives it.
  var pictures: [StudyPicture.Saved] = []

  var text: String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(escaped(results.name))</title>
    <style>
    :root { color-scheme: light dark; --text: \(Ink.text.colors.light);
      --ground: \(Ink.ground.colors.light); --rule: \(Ink.rule.colors.light); --code: #f5f5f5 }
    @media (prefers-color-scheme: dark) { :root { --text: \(Ink.text.colors.dark);
      --ground: \(Ink.ground.colors.dark); --rule: \(Ink.rule.colors.dark); --code: #242424 } }
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
      color: var(--text); background: var(--ground) }
    table { border-collapse: collapse; margin: 1rem 0 }
    th, td { padding: .3rem .9rem; border-bottom: 1px solid var(--rule); text-align: right;
      font-variant-numeric: tabular-nums }
    th:first-child, td:first-child { text-align: left }
    pre { background: var(--code); padding: 1rem; overflow: auto; font-size: 13px }
    figure { margin: 2rem 0 }
    svg { max-width: 100%; height: auto }
    </style></head><body>
    <h1>\(escaped(results.name))</h1>
    <p>\(escaped(results.description))</p>
    <p>\(escaped(summary))</p>
    \(table)
    \(curves.map(curve).joined(separator: "\n"))
    \(pictures.map { figure($0.svg) }.joined(separator: "\n"))
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
    guard !points.isEmpty else { return "" }
    let run = Curves.Run(
      name: "loss", role: .trained, points: points.map { .init(step: $0.step, value: $0.loss) })
    return figure(Curves(title: "\(label): loss by step", axis: "loss", runs: [run]).svg)
  }

  private func figure(_ svg: String) -> String { "<figure>\n\(svg)</figure>" }

  private func escaped(_ text: String) -> String { PictureText.escaped(text) }
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
