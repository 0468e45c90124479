/// The rectangle in which a picture shows its numbers.
struct PlotArea {
  var left: Double
  var top: Double
  var width: Double
  var height: Double

  var right: Double { left + width }
  var bottom: Double { top + height }

  func x(_ value: Double, _ scale: AxisScale) -> Double { left + width * scale.position(value) }
  func y(_ value: Double, _ scale: AxisScale) -> Double { bottom - height * scale.position(value) }
}

extension Canvas {
  static let margin = 16.0

  /// The title and below it the names of the series, on as many lines as it takes.
  /// - Parameters:
  ///   - swatch: draws the mark of a series, given its index, around a point 6 to each side.
  /// - Returns: the height below which the picture goes on.
  mutating func head(
    _ title: String, series: [String], width: Double,
    swatch: (inout Canvas, Int, _ x: Double, _ y: Double) -> Void
  ) -> Double {
    text(Self.margin, 26, title, size: 15, bold: true)
    guard !series.isEmpty else { return 38 }
    var (x, y) = (Self.margin, 50.0)
    for (index, name) in series.enumerated() {
      let room = 40 + Self.width(of: name)
      if x > Self.margin, x + room > width { (x, y) = (Self.margin, y + 20) }
      swatch(&self, index, x + 8, y - 4)
      text(x + 20, y, name)
      x += room
    }
    return y + 12
  }

  /// The width a picture needs to show its title whole.
  static func width(ofTitle title: String) -> Double { 2 * margin + width(of: title, size: 15) }

  /// Rules across the area at the ticks of an upright axis, their labels to the left, the axis's
  /// name above.
  mutating func verticalAxis(_ scale: AxisScale, _ name: String, in area: PlotArea) {
    for tick in scale.ticks {
      let y = area.y(tick, scale)
      line(area.left, y, area.right, y)
      text(area.left - 6, y + 4, scale.label(tick), anchor: .end)
    }
    text(Self.margin, area.top - 12, name, ink: .quiet)
  }

  /// Rules up the area at the ticks of a level axis, their labels and the axis's name below.
  mutating func horizontalAxis(
    _ scale: AxisScale, _ name: String, in area: PlotArea, rules: Bool = true
  ) {
    for tick in scale.ticks {
      let x = area.x(tick, scale)
      if rules {
        line(x, area.top, x, area.bottom)
      } else {
        line(x, area.bottom, x, area.bottom + 4, ink: .axis)
      }
      text(x, area.bottom + 18, scale.label(tick), anchor: .middle)
    }
    text(area.left + area.width / 2, area.bottom + 38, name, anchor: .middle, ink: .quiet)
  }

  /// The room that the labels of an upright axis take to its left.
  static func gutter(_ scale: AxisScale) -> Double {
    margin + 6 + (scale.ticks.map { width(of: scale.label($0)) }.max() ?? 0)
  }

  /// What stands below a picture that could not show everything; nil when it shows all.
  static func leftOut(_ count: Int, _ reason: String = "that are no numbers") -> String? {
    count == 0 ? nil : "\(count) value\(count == 1 ? "" : "s") \(reason) left out"
  }

  /// A picture that says why there is none.
  static func note(_ title: String, _ reason: String) -> String {
    var canvas = Canvas()
    canvas.text(margin, 26, title, size: 15, bold: true)
    canvas.text(margin, 52, reason, ink: .quiet)
    let width = max(width(ofTitle: title), 2 * margin + width(of: reason), 320)
    return canvas.svg(title: title, summary: reason, width: width, height: 70)
  }
}
