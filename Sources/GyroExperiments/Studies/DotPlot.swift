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

  /// The picture as one SVG document.
  var svg: String {
    let left = 20 + (rows.map { Canvas.width(of: $0.label) }.max() ?? 0)
    let values = rows.flatMap { $0.points.map(\.value) }.filter { AxisScale.holds($0) }
    guard !values.isEmpty else {
      return Canvas.note(title, "Nothing to draw: no value is a number.")
    }
    let scale = AxisScale(values)
    let pageWidth = max(left + Self.plotWidth + 16, Canvas.width(ofTitle: title))
    var canvas = Canvas()
    let top = canvas.head(title, series: series.map(\.name), width: pageWidth) {
      Self.mark($1, $2, $3, faint: false, on: &$0)
    }
    let area = PlotArea(
      left: left, top: top + 8, width: Self.plotWidth,
      height: Self.rowHeight * Double(rows.count))
    let inner = PlotArea(
      left: left + 10, top: area.top, width: area.width - 20, height: area.height)
    canvas.horizontalAxis(scale, axis, in: inner)
    for (index, row) in rows.enumerated() {
      let y = area.top + Self.rowHeight * (Double(index) + 0.5)
      canvas.line(left, y, area.right, y)
      canvas.text(left - 8, y + 4, row.label, anchor: .end)
      for point in row.points where AxisScale.holds(point.value) {
        let isFaint = series[point.series].isFaint
        Self.mark(point.series, inner.x(point.value, scale), y, faint: isFaint, on: &canvas)
      }
    }
    return canvas.svg(
      title: title, summary: "\(axis), \(rows.count) rows of up to \(series.count) marks",
      width: pageWidth, height: area.bottom + 52)
  }

  /// The mark of a series: shapes differ as well as colors.
  private static func mark(
    _ series: Int, _ x: Double, _ y: Double, faint: Bool, on canvas: inout Canvas
  ) {
    let r = faint ? 3.0 : 4.5
    func closed(_ points: [(x: Double, y: Double)]) -> String {
      Canvas.path(points.map { (x + r * $0.x, y + r * $0.y) }) + "z"
    }
    func open(_ points: [(x: Double, y: Double)]) -> String {
      String(closed(points).dropLast())
    }
    let ink = Ink.series(series)
    let opacity = faint ? 0.4 : 1
    switch series % 8 {
    case 0: canvas.dot(x, y, radius: r, ink: ink, opacity: opacity)
    case 1:
      canvas.fill(
        path: closed([(-1, -1), (1, -1), (1, 1), (-1, 1)]), ink: ink, opacity: opacity)
    case 2:
      canvas.fill(
        path: closed([(0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)]), ink: ink, opacity: opacity)
    case 3:
      canvas.fill(
        path: closed([(0, -1.3), (1.3, 0.95), (-1.3, 0.95)]), ink: ink, opacity: opacity)
    case 4:
      canvas.fill(
        path: closed([(0, 1.3), (1.3, -0.95), (-1.3, -0.95)]), ink: ink, opacity: opacity)
    case 5:
      canvas.stroke(
        path: open([(-1, -1), (1, 1)]) + open([(-1, 1), (1, -1)]), ink: ink, width: 2)
    case 6:
      canvas.stroke(
        path: open([(-1.2, 0), (1.2, 0)]) + open([(0, -1.2), (0, 1.2)]), ink: ink, width: 2)
    default:
      canvas.stroke(
        path: closed([(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)]), ink: ink, width: 1.6)
    }
  }
}
