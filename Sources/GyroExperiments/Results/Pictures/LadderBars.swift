/// How much of what rounding loses each rung of a ladder wins back, as level bars from zero:
/// 0 % is the rounded model, 100 % the float one. What makes it worse runs to the left.
struct LadderBars {
  struct Rung {
    let name: String
    let role: SeriesRole
    /// The share of the gap recovered, 1 for all of it.
    let share: Double
    /// The least and the largest share over seeds.
    var range: ClosedRange<Double>?
    /// A figure to stand beside the share, like a perplexity.
    var detail = ""
  }

  let title: String
  var axis = "share of the gap in log-perplexity recovered, %"
  let rungs: [Rung]

  /// Bars that run further than this are cut, end in an arrow and still state their figure: one
  /// ruined rung must not leave the others without room.
  private static let (leftEnd, rightEnd) = (-100.0, 200.0)
  private static let (row, plotWidth) = (30.0, 400.0)

  /// The picture as one SVG document.
  var svg: String {
    let held = rungs.filter { AxisScale.holds($0.share) }
    guard !held.isEmpty else {
      return Canvas.note(title, "Nothing to draw: no share is a number.")
    }
    let ends = held.flatMap { rung in
      [rung.share] + (rung.range.map { [$0.lowerBound, $0.upperBound] } ?? [])
    }
    let scale = AxisScale(
      [0, 100] + ends.map { min(max(100 * $0, Self.leftEnd), Self.rightEnd) }, count: 5)
    let left = 2 * Canvas.margin + 10 + (rungs.map { Canvas.width(of: $0.name) }.max() ?? 0)
    let figures = rungs.map(\.figure)
    let figureWidth = figures.map { Canvas.width(of: $0) }.max() ?? 0
    let detailWidth = rungs.map { Canvas.width(of: $0.detail) }.max() ?? 0
    let pageWidth = max(
      left + Self.plotWidth + figureWidth + detailWidth + 52, Canvas.width(ofTitle: title))

    var canvas = Canvas()
    let top = canvas.head(title, series: [], width: pageWidth) { _, _, _, _ in }
    let area = PlotArea(
      left: left, top: top + 10, width: Self.plotWidth, height: Self.row * Double(rungs.count))
    canvas.horizontalAxis(scale, axis, in: area)
    let zero = area.x(0, scale)
    for (index, rung) in rungs.enumerated() {
      let middle = area.top + Self.row * (Double(index) + 0.5)
      canvas.text(left - 16, middle + 4, rung.name, anchor: .end)
      canvas.text(
        area.right + 14 + figureWidth, middle + 4, figures[index], anchor: .end, bold: true)
      canvas.text(area.right + 30 + figureWidth, middle + 4, rung.detail, ink: .quiet)
      guard AxisScale.holds(rung.share) else { continue }
      let ink = rung.role.ink
      let end = area.x(min(max(100 * rung.share, scale.low), scale.high), scale)
      canvas.box(min(zero, end), middle - 9, max(abs(end - zero), 0.5), 18, ink: ink)
      if !(scale.low...scale.high).contains(100 * rung.share) {
        let way: Double = rung.share < 0 ? -1 : 1
        let foot = end - 0.5 * way
        let tip = [(end + 8 * way, middle), (foot, middle - 12), (foot, middle + 12)]
        canvas.fill(path: Canvas.path(tip) + "z", ink: ink)
      }
      if let range = rung.range {
        let low = area.x(min(max(100 * range.lowerBound, scale.low), scale.high), scale)
        let high = area.x(min(max(100 * range.upperBound, scale.low), scale.high), scale)
        // A rim in the color of the ground keeps it apart from a bar of any color.
        for (ink, width) in [(Ink.ground, 4.5), (.text, 1.5)] {
          canvas.line(low, middle, high, middle, ink: ink, width: width)
          for x in [low, high] { canvas.line(x, middle - 5, x, middle + 5, ink: ink, width: width) }
        }
      }
    }
    canvas.line(zero, area.top, zero, area.bottom, ink: .axis)
    let summary = rungs.map { "\($0.name) \($0.figure)" }.joined(separator: ", ")
    return canvas.svg(
      title: title, summary: "\(axis): \(summary)", width: pageWidth, height: area.bottom + 52)
  }
}

extension LadderBars.Rung {
  fileprivate var figure: String {
    AxisScale.holds(share) ? PictureText.decimal(100 * share, places: 1) + " %" : "no number"
  }
}
