import Gyro

/// The truth table for a terminal: a line for each scheme, then why.
enum TruthTableText {
  static func text(_ table: TruthTable) -> String {
    let formats = table.rows.first?.cells.map(\.format) ?? []
    let first = (table.rows.map { $0.scheme.count }.max() ?? 0) + 2
    func width(_ format: String) -> Int { max(format.count, "within 0.00049".count) + 2 }
    var lines = [Columns.row([("scheme", first)] + formats.map { ($0, width($0)) })]
    var reasons: [(text: String, marks: [String])] = []
    for row in table.rows {
      var cells = [(row.scheme, first)]
      for cell in row.cells {
        cells.append((cell.verdict, width(cell.format)))
        for reason in cell.reasons {
          let text = "\(cell.format), \(reason)"
          if let place = reasons.firstIndex(where: { $0.text == text }) {
            reasons[place].marks.append(row.scheme)
          } else {
            reasons.append((text, [row.scheme]))
          }
        }
      }
      lines.append(Columns.row(cells))
    }
    lines += ["", "exact: codes, scales and values are those that were trained, bit for bit"]
    lines.append(
      "runtime: weights are exact; the file does not say the rest, the runtime does as it does")
    lines.append("values: the same values, stored as plain numbers without codes")
    lines.append("within: scales or values are rounded by at most this; needs --allow-lossy")
    if !reasons.isEmpty { lines += ["", "why:"] }
    for reason in reasons { lines.append("- \(reason.text)") }
    return lines.joined(separator: "\n")
  }
}
