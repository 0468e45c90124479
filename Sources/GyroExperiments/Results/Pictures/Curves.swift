/// Values over steps of one or several runs, as they are: no smoothing.
struct Curves {
  struct Point: Equatable {
    let step: Int
    let value: Double
  }
  struct Run {
    let name: String
    let role: SeriesRole
    /// In order of steps. What is no number interrupts the line.
    let points: [Point]
    /// The least and the largest value at a step; drawn as a band behind the line.
    var band: [(step: Int, low: Double, high: Double)] = []
  }

  let title: String
  /// What the upright axis measures, with its unit.
  let axis: String
  let runs: [Run]
  var isLogarithmic = false

  private static let dashes: [String?] = [nil, "7 3", "2 3", "9 3 2 3"]

  /// The picture as one SVG document.
  var svg: String {
    let values = runs.flatMap { run in
      run.points.map(\.value) + run.band.flatMap { [$0.low, $0.high] }
    }
    let held = values.filter { AxisScale.holds($0, logarithmic: isLogarithmic) }
    guard !held.isEmpty else {
      return Canvas.note(
        title, "Nothing to draw: no value is a \(isLogarithmic ? "positive " : "")number.")
    }
    let steps = runs.flatMap { $0.points.map { Double($0.step) } + $0.band.map { Double($0.step) } }
    let scale = AxisScale(held, logarithmic: isLogarithmic)
    let time = AxisScale(steps, extent: .tight, count: 8, whole: true)
    let left = Canvas.gutter(scale)
    let pageWidth = max(left + 640 + 24, Canvas.width(ofTitle: title))
    let inks = runs.map(\.role.ink)

    var canvas = Canvas()
    let top = canvas.head(title, series: runs.map(\.legend), width: pageWidth) {
      canvas, run, x, y in
      canvas.line(x - 8, y, x + 8, y, ink: inks[run], width: 2, dash: Self.dashes[run % 4])
    }
    let area = PlotArea(left: left, top: top + 32, width: pageWidth - left - 24, height: 240)
    canvas.verticalAxis(scale, axis + (isLogarithmic ? ", logarithmic" : ""), in: area)
    canvas.horizontalAxis(time, "step", in: area, rules: false)
    canvas.line(left, area.bottom, area.right, area.bottom, ink: .axis)
    func place(_ step: Int, _ value: Double) -> (x: Double, y: Double) {
      (area.x(Double(step), time), area.y(value, scale))
    }
    for (index, run) in runs.enumerated() {
      let band = run.band.filter { band in
        [band.low, band.high].allSatisfy { AxisScale.holds($0, logarithmic: isLogarithmic) }
      }
      guard band.count > 1 else { continue }
      let upper = Self.thinned(band.map { place($0.step, $0.high) })
      let lower = Self.thinned(band.map { place($0.step, $0.low) })
      canvas.fill(
        path: Canvas.path(upper + lower.reversed()) + "z", ink: inks[index], opacity: 0.2)
    }
    for (index, run) in runs.enumerated() {
      let pieces = run.points.split { !AxisScale.holds($0.value, logarithmic: isLogarithmic) }
      for piece in pieces {
        let points = Self.thinned(piece.map { place($0.step, $0.value) })
        if points.count == 1 {
          canvas.dot(points[0].x, points[0].y, radius: 2, ink: inks[index])
        } else {
          canvas.polyline(points, ink: inks[index], width: 1.8, dash: Self.dashes[index % 4])
        }
      }
    }
    var bottom = area.bottom + 52
    if let note = Canvas.leftOut(values.count - held.count, "without a place on this axis") {
      canvas.text(Canvas.margin, bottom, note, ink: .quiet)
      bottom += 16
    }
    return canvas.svg(
      title: title, summary: "\(axis): " + runs.map(\.summary).joined(separator: "; "),
      width: pageWidth, height: bottom)
  }

  /// The first, the lowest, the highest and the last point of each unit of width: no more can be
  /// seen, and nothing that can be seen is lost.
  static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    var kept: [(x: Double, y: Double)] = []
    var start = 0
    while start < points.count {
      var end = start
      while end < points.count, points[end].x.rounded(.down) == points[start].x.rounded(.down) {
        end += 1
      }
      let here = start..<end
      let low = here.min { points[$0].y < points[$1].y }!
      let high = here.max { points[$0].y < points[$1].y }!
      kept += Set([start, low, high, end - 1]).sorted().map { points[$0] }
      start = end
    }
    return kept
  }
}

extension Curves.Run {
  /// The mean of several runs of one thing, and a band from the least to the largest, at the steps
  /// that all of them have.
  init(name: String, role: SeriesRole, seeds: [[Curves.Point]]) {
    var values: [Int: [Double]] = [:]
    for seed in seeds {
      for point in seed { values[point.step, default: []].append(point.value) }
    }
    let common = values.filter { $0.value.count == seeds.count }.sorted { $0.key < $1.key }
    let points = common.map { step, values in
      Curves.Point(step: step, value: values.reduce(0, +) / Double(values.count))
    }
    let band = common.map { step, values in
      // A sum that is no number says that one of the values is none.
      values.allSatisfy(\.isFinite)
        ? (step: step, low: values.min()!, high: values.max()!)
        : (step: step, low: Double.nan, high: Double.nan)
    }
    self.init(name: name, role: role, points: points, band: band)
  }

  /// The name and where the curve ends.
  fileprivate var legend: String {
    points.last.map { "\(name) (last \(PictureText.figure($0.value)))" } ?? name
  }

  fileprivate var summary: String {
    guard let first = points.first, let last = points.last else { return "\(name) is empty" }
    return "\(name) from \(PictureText.figure(first.value)) at step \(first.step) to "
      + "\(PictureText.figure(last.value)) at step \(last.step)"
  }
}
