import Foundation

/// A picture of numbers: one line per thing compared, one mark per number, as SVG text that a
/// browser shows well on light and on dark ground. Series differ in shape as well as in color.
struct DotPlot {
  struct Series {
    let name: String
    /// Whether marks are small and let others shine through: for many draws of one thing.
    var isFaint = false
  }
  struct Row {
    let label: String
    /// Series by index, and the value; values that are not finite are left out.
    let points: [(series: Int, value: Double)]
  }

  let title: String
  /// What the horizontal axis counts, with its unit.
  let axis: String
  let series: [Series]
  let rows: [Row]

  private static let rowHeight = 26.0
  private static let plotWidth = 480.0
  /// Colors that stay apart for most color-blind eyes (Okabe and Ito), for light and dark ground.
  private static let colors = [
    ("#0072b2", "#56b4e9"), ("#d55e00", "#ff9d5c"), ("#00795a", "#3fd0a4"),
    ("#a8488a", "#e59cc8"), ("#7a6a00", "#f0e442"), ("#444444", "#cccccc"),
    ("#8a2be2", "#c59bff"), ("#a52a2a", "#ff8080"),
  ]

  /// The picture as one SVG document.
  var svg: String {
    let left = 20 + 7.2 * Double(rows.map(\.label.count).max() ?? 0)
    let legend = legendPlaces(width: left + Self.plotWidth)
    let top = 56 + 20 * Double((legend.last?.line ?? 0) + 1)
    let bottom = top + Self.rowHeight * Double(rows.count)
    let ticks = Self.ticks(rows.flatMap { $0.points.map(\.value) }.filter(\.isFinite))
    func x(_ value: Double) -> Double {
      left + 10 + (Self.plotWidth - 20) * (value - ticks.first!) / (ticks.last! - ticks.first!)
    }
    var body: [String] = [text(16, 26, title, "title")]
    for (place, series) in zip(legend, series.indices) {
      let y = 50 + 20 * Double(place.line)
      body.append(mark(series, place.x + 6, y - 4, faint: false))
      body.append(text(place.x + 16, y, self.series[series].name, ""))
    }
    for tick in ticks {
      body.append(line(x(tick), top, x(tick), bottom))
      body.append(text(x(tick), bottom + 18, Self.label(tick, of: ticks), "middle"))
    }
    body.append(text(left + Self.plotWidth / 2, bottom + 40, axis, "middle"))
    for (index, row) in rows.enumerated() {
      let y = top + Self.rowHeight * (Double(index) + 0.5)
      body.append(line(left, y, left + Self.plotWidth, y))
      body.append(text(left - 8, y + 4, row.label, "end"))
      for point in row.points where point.value.isFinite {
        body.append(mark(point.series, x(point.value), y, faint: series[point.series].isFaint))
      }
    }
    let (width, height) = (left + Self.plotWidth + 16, bottom + 54)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.number(width)) \
      \(Self.number(height))" width="\(Self.number(width))" height="\(Self.number(height))" \
      role="img" aria-label="\(Self.escaped(title))">
      \(style)
      <rect class="ground" width="100%" height="100%"/>
      \(body.joined(separator: "\n"))
      </svg>

      """
  }

  private var style: String {
    func rules(_ pick: (Int) -> String) -> String {
      series.indices.map { ".s\($0){--c:\(pick($0))}" }.joined()
    }
    let count = Self.colors.count
    return """
      <style>
      text{font:12px system-ui,sans-serif;fill:#1a1a1a}.title{font-size:15px;font-weight:600}
      .middle{text-anchor:middle}.end{text-anchor:end}
      .ground{fill:#fff}.rule{stroke:#d9d9d9;stroke-width:1}
      .mark{fill:var(--c);stroke:var(--c);stroke-width:1.6}.hollow{fill:none}.faint{opacity:.35}
      \(rules { Self.colors[$0 % count].0 })
      @media (prefers-color-scheme:dark){text{fill:#ececec}.ground{fill:#161616}
      .rule{stroke:#3a3a3a}\(rules { Self.colors[$0 % count].1 })}
      </style>
      """
  }

  /// Where the names of the series go, on as many lines as it takes.
  private func legendPlaces(width: Double) -> [(x: Double, line: Int)] {
    var (x, line) = (16.0, 0)
    return series.map { series in
      let size = 34 + 7 * Double(series.name.count)
      if x > 16, x + size > width { (x, line) = (16, line + 1) }
      defer { x += size }
      return (x, line)
    }
  }

  private func mark(_ series: Int, _ x: Double, _ y: Double, faint: Bool) -> String {
    let r = faint ? 3.0 : 4.5
    let at = "M\(Self.number(x)) \(Self.number(y))"
    let shape =
      switch series % 8 {
      case 0: "m-\(r) 0a\(r) \(r) 0 1 0 \(2 * r) 0a\(r) \(r) 0 1 0 -\(2 * r) 0z"
      case 1: "m-\(r) -\(r)h\(2 * r)v\(2 * r)h-\(2 * r)z"
      case 2: "m0 -\(1.3 * r)l\(1.3 * r) \(1.3 * r)l-\(1.3 * r) \(1.3 * r)l-\(1.3 * r) -\(1.3 * r)z"
      case 3: "m0 -\(1.2 * r)l\(1.2 * r) \(2.1 * r)h-\(2.4 * r)z"
      case 4: "m0 \(1.2 * r)l\(1.2 * r) -\(2.1 * r)h-\(2.4 * r)z"
      case 5: "m-\(r) -\(r)l\(2 * r) \(2 * r)m-\(2 * r) 0l\(2 * r) -\(2 * r)"
      case 6: "m-\(1.2 * r) 0h\(2.4 * r)m-\(1.2 * r) -\(1.2 * r)v\(2.4 * r)"
      default: "m-\(r) 0a\(r) \(r) 0 1 0 \(2 * r) 0a\(r) \(r) 0 1 0 -\(2 * r) 0z"
      }
    let hollow = series % 8 >= 5 ? " hollow" : ""
    return "<path class=\"mark s\(series)\(hollow)\(faint ? " faint" : "")\" d=\"\(at)\(shape)\"/>"
  }

  private func text(_ x: Double, _ y: Double, _ text: String, _ kind: String) -> String {
    "<text class=\"\(kind)\" x=\"\(Self.number(x))\" y=\"\(Self.number(y))\">"
      + "\(Self.escaped(text))</text>"
  }

  private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
    "<path class=\"rule\" d=\"M\(Self.number(x1)) \(Self.number(y1))"
      + "L\(Self.number(x2)) \(Self.number(y2))\"/>"
  }

  /// Round numbers, about six, from below the least value to above the largest.
  static func ticks(_ values: [Double]) -> [Double] {
    var (low, high) = (values.min() ?? 0, values.max() ?? 1)
    if high - low < max(abs(high), 1e-9) * 1e-6 { (low, high) = (low - 0.5, high + 0.5) }
    let rough = (high - low) / 6
    let power = pow(10, log10(rough).rounded(.down))
    let step = power * ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10)
    let (first, last) = ((low / step).rounded(.down), (high / step).rounded(.up))
    return stride(from: first, through: last, by: 1).map { $0 * step }
  }

  private static func label(_ tick: Double, of ticks: [Double]) -> String {
    let step = ticks.count > 1 ? ticks[1] - ticks[0] : 1
    return number(tick, max(0, Int(-log10(step).rounded(.down))))
  }

  private static func number(_ value: Double, _ places: Int = 1) -> String {
    value.formatted(
      .number.precision(.fractionLength(places)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX")))
  }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
  }
}
