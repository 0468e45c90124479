/// One figure of many layers, as upright bars side by side: before, after, learned.
struct LayerBars {
  struct Series {
    let name: String
    let role: SeriesRole
    /// One per layer; nil and what is no number leaves a gap.
    let values: [Double?]
  }

  let title: String
  /// What the bars measure, with its unit.
  let axis: String
  /// Names of the layers, in order.
  let layers: [String]
  let series: [Series]
  /// A logarithmic axis has no zero; bars then start from 1, or from the power of ten below the
  /// least value where that is less, and the axis says that it is logarithmic.
  var isLogarithmic = false
  /// A value to compare with, like the kurtosis 3 of normal values.
  var reference: (name: String, value: Double)?

  /// The picture as one SVG document.
  var svg: String {
    let given = series.flatMap { $0.values.prefix(layers.count) }.compactMap { $0 }
    let values = given.filter { AxisScale.holds($0, logarithmic: isLogarithmic) }
    guard !values.isEmpty else {
      return Canvas.note(
        title, "Nothing to draw: no value is a \(isLogarithmic ? "positive " : "")number.")
    }
    let marked = values + (reference.map { [$0.value] } ?? [])
    let scale = AxisScale(marked + [isLogarithmic ? 1 : 0], logarithmic: isLogarithmic)
    let base = isLogarithmic ? scale.low : 0

    let longest = layers.map { Canvas.width(of: $0) }.max() ?? 0
    let perLayer = Double(series.count)
    let space = 600 / Double(layers.count)
    let bar = min(max(space / (perLayer + 1), 3), 24)
    let group = max(perLayer * bar + max(5, 0.7 * bar), 14)
    let isUpright = longest + 6 > group
    let left = Canvas.gutter(scale)
    let width = max(group * Double(layers.count), 320)
    let pageWidth = max(left + width + 20, Canvas.width(ofTitle: title))

    var canvas = Canvas()
    let top = canvas.head(title, series: series.map(\.name), width: pageWidth) {
      $0.box($2 - 5, $3 - 5, 10, 10, ink: series[$1].role.ink)
    }
    let area = PlotArea(left: left, top: top + 32, width: width, height: 220)
    canvas.verticalAxis(scale, axis + (isLogarithmic ? ", logarithmic" : ""), in: area)
    let zero = area.y(base, scale)
    let pitch = width / Double(layers.count)
    for (index, layer) in layers.enumerated() {
      let middle = left + pitch * (Double(index) + 0.5)
      for (place, series) in series.enumerated() where index < series.values.count {
        guard let value = series.values[index],
          AxisScale.holds(value, logarithmic: isLogarithmic)
        else { continue }
        let y = area.y(value, scale)
        canvas.box(
          middle + bar * (Double(place) - perLayer / 2), min(y, zero), max(bar - 0.5, 1),
          max(abs(y - zero), 0.5), ink: series.role.ink)
      }
      if isUpright {
        canvas.text(middle + 4, area.bottom + 8, layer, anchor: .end, turned: -60)
      } else {
        canvas.text(middle, area.bottom + 18, layer, anchor: .middle)
      }
    }
    canvas.line(left, zero, area.right, zero, ink: .axis)
    if let reference, AxisScale.holds(reference.value, logarithmic: isLogarithmic) {
      let y = area.y(reference.value, scale)
      canvas.line(left, y, area.right, y, ink: .text, dash: "5 4")
      canvas.text(area.right, area.top - 12, "dashed: \(reference.name)", anchor: .end, ink: .quiet)
    }
    var bottom = area.bottom + (isUpright ? 0.9 * longest + 26 : 32)
    if let note = Canvas.leftOut(given.count - values.count, "without a place on this axis") {
      canvas.text(Canvas.margin, bottom, note, ink: .quiet)
      bottom += 16
    }
    let summary =
      "\(axis) of \(layers.count) layers: "
      + series.map { series in
        let held = series.values.compactMap { $0 }.filter { AxisScale.holds($0) }
        guard let least = held.min(), let most = held.max() else { return "\(series.name) none" }
        return "\(series.name) from \(PictureText.figure(least)) to \(PictureText.figure(most))"
      }.joined(separator: ", ")
    return canvas.svg(title: title, summary: summary, width: pageWidth, height: bottom)
  }
}
