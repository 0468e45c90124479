/// How far a figure spreads over seeds: one dot per seed, one column per method, the range beside
/// the dots and the float model's figure as a line.
struct SpreadStrip {
  struct Method {
    let name: String
    let role: SeriesRole
    /// One per seed.
    let values: [Double]
  }

  let title: String
  /// What the dots measure, with its unit and which way is better.
  let axis: String
  let methods: [Method]
  /// The figure of the float model.
  var float: Double?
  var isLogarithmic = false

  /// The picture as one SVG document.
  var svg: String {
    let all = methods.flatMap(\.values)
    let held = all.filter { AxisScale.holds($0, logarithmic: isLogarithmic) }
    guard !held.isEmpty else {
      return Canvas.note(
        title, "Nothing to draw: no value is a \(isLogarithmic ? "positive " : "")number.")
    }
    let level = float.flatMap { AxisScale.holds($0, logarithmic: isLogarithmic) ? $0 : nil }
    let scale = AxisScale(held + (level.map { [$0] } ?? []), logarithmic: isLogarithmic)
    let longest = methods.map { Canvas.width(of: $0.name) }.max() ?? 0
    let pitch = max(longest + 16, 130)
    let left = Canvas.gutter(scale)
    let floatName = level.map { "float \(PictureText.figure($0))" }
    let room = floatName.map { Canvas.width(of: $0) + 10 } ?? 0
    let pageWidth = max(
      left + pitch * Double(methods.count) + room + 16, Canvas.width(ofTitle: title))

    var canvas = Canvas()
    let top = canvas.head(title, series: [], width: pageWidth) { _, _, _, _ in }
    let area = PlotArea(
      left: left, top: top + 32, width: pitch * Double(methods.count), height: 260)
    canvas.verticalAxis(scale, axis + (isLogarithmic ? ", logarithmic" : ""), in: area)
    if let level, let floatName {
      let y = area.y(level, scale)
      let ink = SeriesRole.float.ink
      canvas.line(left, y, area.right, y, ink: ink, width: 1.5, dash: "6 4")
      canvas.text(area.right + 8, y + 4, floatName)
    }
    var summary: [String] = []
    for (index, method) in methods.enumerated() {
      let middle = left + pitch * (Double(index) + 0.5)
      let values = method.values.filter { AxisScale.holds($0, logarithmic: isLogarithmic) }
      canvas.text(middle, area.bottom + 18, method.name, anchor: .middle, bold: true)
      guard let least = values.min(), let most = values.max() else {
        canvas.text(middle, area.bottom + 34, "no number", anchor: .middle, ink: .quiet)
        continue
      }
      let ink = method.role.ink
      let (low, high) = (area.y(least, scale), area.y(most, scale))
      let bar = middle - pitch * 0.32
      canvas.line(bar, low, bar, high, ink: ink, width: 2)
      for y in [low, high] { canvas.line(bar - 5, y, bar + 5, y, ink: ink, width: 2) }
      // Seeds in their order from left to right, so that equal values stay apart.
      let step = values.count > 1 ? min(pitch * 0.5 / Double(values.count - 1), 12) : 0
      for (seed, value) in values.enumerated() {
        let x = middle + pitch * 0.06 + step * (Double(seed) - Double(values.count - 1) / 2)
        canvas.dot(x, area.y(value, scale), radius: 3.5, ink: ink)
      }
      let range = "\(Self.figure(least, scale)) to \(Self.figure(most, scale))"
      canvas.text(middle, area.bottom + 34, range, anchor: .middle, ink: .quiet)
      let count = "\(values.count) seed\(values.count == 1 ? "" : "s")"
      canvas.text(middle, area.bottom + 50, count, anchor: .middle, ink: .quiet)
      summary.append("\(method.name) from \(range) over \(count)")
    }
    var bottom = area.bottom + 64
    if let note = Canvas.leftOut(all.count - held.count, "without a place on this axis") {
      canvas.text(Canvas.margin, bottom + 6, note, ink: .quiet)
      bottom += 20
    }
    return canvas.svg(
      title: title, summary: "\(axis): \(summary.joined(separator: "; "))", width: pageWidth,
      height: bottom)
  }

  /// A figure with two digits more than the axis tells apart.
  private static func figure(_ value: Double, _ scale: AxisScale) -> String {
    let places = scale.label(scale.ticks.last ?? scale.high).split(separator: ".")
    guard !scale.isLogarithmic, abs(scale.high) < 1e6, places.count < 3 else {
      return PictureText.figure(value)
    }
    return PictureText.decimal(value, places: places.count == 2 ? places[1].count + 2 : 2)
  }
}
