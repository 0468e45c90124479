/// The magnitudes of one site's activations over tokens × channels, as surfaces side by side:
/// before and after a rotation. The picture of SpinQuant's introduction (Liu et al. 2024, figure 1).
struct ActivationSurface {
  struct Panel {
    let label: String
    /// [tokens, channels], in rows.
    let values: [Float]
    let channels: Int
  }
  enum Scale {
    /// One upright scale for all panels: heights compare.
    case shared
    /// Each panel has its own; the title says so.
    case separate
  }

  let title: String
  let panels: [Panel]
  var scale = Scale.shared
  /// How many rows and columns are drawn; what falls on one of them shows its largest value.
  var resolution = (tokens: 24, channels: 64)

  /// Sizes on the page: the floor's front edge, how far its back edge is shifted, the height.
  private static let (front, shift, rise, height) = (290.0, 86.0, 58.0, 170.0)
  private static let panelWidth = 500.0

  /// The picture as one SVG document.
  var svg: String {
    let grids = panels.map {
      MagnitudeGrid(
        $0.values, channels: $0.channels, rows: resolution.tokens, columns: resolution.channels)
    }
    let scaleWords =
      switch (panels.count, scale) {
      case (...1, _): ""
      case (_, .shared): " (same vertical scale)"
      case (_, .separate): " (each with its own vertical scale)"
      }
    let title = title + scaleWords
    guard grids.contains(where: { !$0.cells.isEmpty }) else {
      return Canvas.note(title, "Nothing to draw: there are no activations.")
    }
    guard zip(grids, panels).contains(where: { $0.leftOut < $1.values.count }) else {
      return Canvas.note(title, "Nothing to draw: no activation is a number.")
    }
    let largest = grids.map(\.largest).max() ?? 0
    var canvas = Canvas()
    let top = canvas.head(title, series: [], width: 0) { _, _, _, _ in }
    var summary: [String] = []
    for (index, (panel, grid)) in zip(panels, grids).enumerated() {
      let axis = AxisScale([0, scale == .shared ? largest : grid.largest], count: 4)
      let figures =
        "largest \(PictureText.figure(grid.largest)), "
        + "root mean square \(PictureText.figure(grid.rootMeanSquare))"
      summary.append("\(panel.label): \(figures)")
      let left = Canvas.margin + Self.panelWidth * Double(index)
      canvas.text(left, top + 18, panel.label, size: 13, bold: true)
      canvas.text(left, top + 36, figures, ink: .quiet)
      Surface(
        left: left + 52, bottom: top + 62 + Self.height + Self.rise, grid: grid, axis: axis,
        channels: panel.channels, tokens: grid.rows == 0 ? 0 : panel.values.count / panel.channels
      ).draw(on: &canvas)
    }
    var bottom = top + 62 + Self.height + Self.rise + 48
    if let note = Canvas.leftOut(grids.reduce(0) { $0 + $1.leftOut }) {
      canvas.text(Canvas.margin, bottom + 6, note, ink: .quiet)
      bottom += 20
    }
    return canvas.svg(
      title: title, summary: summary.joined(separator: "; "),
      width: max(
        Canvas.width(ofTitle: title), Canvas.margin + Self.panelWidth * Double(panels.count)),
      height: bottom)
  }

  /// One surface in oblique projection: channels to the right, tokens to the back.
  private struct Surface {
    let left: Double
    let bottom: Double
    let grid: MagnitudeGrid
    let axis: AxisScale
    let channels: Int
    let tokens: Int

    /// The place on the page of a point of the unit cube.
    private func place(_ u: Double, _ v: Double, _ w: Double) -> (x: Double, y: Double) {
      (
        left + u * ActivationSurface.front + v * ActivationSurface.shift,
        bottom - v * ActivationSurface.rise - w * ActivationSurface.height
      )
    }

    func draw(on canvas: inout Canvas) {
      for tick in axis.ticks {
        let w = axis.position(tick)
        canvas.polyline([place(0, 0, w), place(0, 1, w), place(1, 1, w)], ink: .rule, width: 1)
        let at = place(0, 0, w)
        canvas.text(at.x - 6, at.y + 4, axis.label(tick), anchor: .end)
      }
      let name = place(0, 0, 1)
      canvas.text(name.x - 10, name.y - 28, "|activation|", anchor: .middle, ink: .quiet)
      canvas.polyline([place(0, 1, 1), place(0, 1, 0), place(1, 1, 0)], ink: .rule, width: 1)
      mesh(on: &canvas)
      canvas.polyline(
        [place(0, 0, 1), place(0, 0, 0), place(1, 0, 0), place(1, 1, 0)], ink: .axis, width: 1)
      floor(on: &canvas)
    }

    private func floor(on canvas: inout Canvas) {
      // A number belongs to the middle of what it stands for; the edges are middles of the outer
      // cells.
      func along(_ index: Double, _ count: Int, _ cells: Int) -> Double {
        guard cells > 1 else { return 0.5 }
        let cell = (index + 0.5) / Double(count) * Double(cells) - 0.5
        return min(max(cell / Double(cells - 1), 0), 1)
      }
      func ticks(_ count: Int) -> [Double] {
        AxisScale([0, Double(max(count - 1, 0))], extent: .tight, count: 4, whole: true).ticks
          .filter { $0 >= 0 && $0 < Double(max(count, 1)) }
      }
      for tick in ticks(channels) {
        let at = place(along(tick, channels, grid.columns), 0, 0)
        canvas.line(at.x, at.y, at.x, at.y + 4, ink: .axis)
        canvas.text(at.x, at.y + 18, PictureText.decimal(tick, places: 0), anchor: .middle)
      }
      for tick in ticks(tokens) {
        let at = place(1, along(tick, tokens, grid.rows), 0)
        canvas.line(at.x, at.y, at.x + 5, at.y, ink: .axis)
        canvas.text(at.x + 7, at.y + 12, PictureText.decimal(tick, places: 0))
      }
      let (channel, token) = (place(0.5, 0, 0), place(1, 0.5, 0))
      canvas.text(channel.x, channel.y + 38, "channel", anchor: .middle, ink: .quiet)
      canvas.text(token.x + 44, token.y + 22, "token", ink: .quiet)
    }

    /// The surface from back to front and from left to right, so that what is nearer covers what
    /// is behind it. In half units, to keep the text short.
    private func mesh(on canvas: inout Canvas) {
      guard grid.rows > 0 else { return }
      let (rows, columns) = (max(grid.rows, 2), max(grid.columns, 2))
      func cell(_ row: Int, _ column: Int) -> Double {
        grid.cells[min(row, grid.rows - 1) * grid.columns + min(column, grid.columns - 1)]
      }
      func corner(_ row: Int, _ column: Int) -> (x: Int, y: Int) {
        let at = place(
          Double(column) / Double(columns - 1), Double(row) / Double(rows - 1),
          axis.position(cell(row, column)))
        return (Int((2 * at.x).rounded()), Int((2 * at.y).rounded()))
      }
      func level(_ row: Int, _ column: Int) -> Int {
        let height = max(
          cell(row, column), cell(row + 1, column), cell(row, column + 1),
          cell(row + 1, column + 1))
        return min(Int(axis.position(height) * Double(Ink.levels)), Ink.levels - 1)
      }
      canvas.open(
        "transform=\"scale(.5)\" \(Ink.text.asStroke) stroke-width=\".6\" "
          + "stroke-opacity=\".45\" stroke-linejoin=\"round\"")
      for row in (0..<rows - 1).reversed() {
        var (path, current) = ("", level(row, 0))
        for column in 0..<columns - 1 {
          let next = level(row, column)
          if next != current {
            canvas.fill(path: path, ink: .level(current))
            (path, current) = ("", next)
          }
          path += Self.quadrilateral([
            corner(row, column), corner(row, column + 1), corner(row + 1, column + 1),
            corner(row + 1, column),
          ])
        }
        canvas.fill(path: path, ink: .level(current))
      }
      canvas.close()
    }

    /// A closed path through four points, always turning the same way: parts of one path that lie
    /// over each other then never cut holes.
    private static func quadrilateral(_ points: [(x: Int, y: Int)]) -> String {
      var points = points
      let area = points.indices.reduce(0) { sum, index in
        let (a, b) = (points[index], points[(index + 1) % 4])
        return sum + a.x * b.y - a.y * b.x
      }
      if area < 0 { points.reverse() }
      var text = "M\(points[0].x) \(points[0].y)l"
      for index in 1..<4 {
        let (x, y) = (points[index].x - points[index - 1].x, points[index].y - points[index - 1].y)
        text += (index > 1 && x >= 0 ? " " : "") + "\(x)" + (y >= 0 ? " " : "") + "\(y)"
      }
      return text + "z"
    }
  }
}
