/// SVG text under construction.
///
/// Shapes carry their colors on light ground as plain attributes, which every viewer and converter
/// understands; one short style swaps them where the reader prefers dark. No scripts, no fonts, no
/// references to anything outside. The same calls give the same bytes.
struct Canvas {
  enum Anchor: String { case start, middle, end }

  private var body: [String] = []
  private var inks: Set<Ink> = [.ground, .text]

  /// The room a text takes, about, at the width of common sans-serif digits and letters.
  static func width(of text: String, size: Double = 12) -> Double {
    0.6 * size * Double(text.count)
  }

  mutating func text(
    _ x: Double, _ y: Double, _ text: String, anchor: Anchor = .start, size: Double = 12,
    bold: Bool = false, ink: Ink = .text, turned: Double = 0
  ) {
    let (x, y) = (PictureText.coordinate(x), PictureText.coordinate(y))
    var attributes = "x=\"\(x)\" y=\"\(y)\""
    if ink != .text { attributes += " " + fill(ink) }
    if anchor != .start { attributes += " text-anchor=\"\(anchor.rawValue)\"" }
    if size != 12 { attributes += " font-size=\"\(PictureText.coordinate(size))\"" }
    if bold { attributes += " font-weight=\"bold\"" }
    if turned != 0 {
      attributes += " transform=\"rotate(\(PictureText.coordinate(turned)) \(x) \(y))\""
    }
    body.append("<text \(attributes)>\(PictureText.escaped(text))</text>")
  }

  mutating func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, ink: Ink = .rule, width: Double = 1,
    dash: String? = nil
  ) {
    stroke(path: Self.path([(x1, y1), (x2, y2)]), ink: ink, width: width, dash: dash)
  }

  /// A line through points, as a `polyline`.
  mutating func polyline(
    _ points: [(x: Double, y: Double)], ink: Ink, width: Double = 1.5, dash: String? = nil
  ) {
    let places = points.map {
      PictureText.coordinate($0.x) + "," + PictureText.coordinate($0.y)
    }
    body.append(
      "<polyline \(outline(ink, width, dash)) stroke-linejoin=\"round\" "
        + "points=\"\(places.joined(separator: " "))\"/>")
  }

  /// The outline of a path in SVG's own notation.
  mutating func stroke(path: String, ink: Ink, width: Double = 1, dash: String? = nil) {
    body.append("<path \(outline(ink, width, dash)) d=\"\(path)\"/>")
  }

  /// A path in SVG's own notation, filled.
  mutating func fill(path: String, ink: Ink, opacity: Double = 1) {
    body.append("<path \(fill(ink))\(Self.faint(opacity)) d=\"\(path)\"/>")
  }

  mutating func box(_ x: Double, _ y: Double, _ width: Double, _ height: Double, ink: Ink) {
    let (x, y) = (PictureText.coordinate(x), PictureText.coordinate(y))
    let (width, height) = (PictureText.coordinate(width), PictureText.coordinate(height))
    body.append(
      "<rect \(fill(ink)) x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\"/>")
  }

  mutating func dot(_ x: Double, _ y: Double, radius: Double, ink: Ink, opacity: Double = 1) {
    let place = "cx=\"\(PictureText.coordinate(x))\" cy=\"\(PictureText.coordinate(y))\""
    let r = PictureText.coordinate(radius)
    body.append("<circle \(fill(ink))\(Self.faint(opacity)) \(place) r=\"\(r)\"/>")
  }

  /// Opens a group of shapes with common attributes; `close` ends it.
  mutating func open(_ attributes: String) { body.append("<g \(attributes)>") }
  mutating func close() { body.append("</g>") }

  static func path(_ points: [(x: Double, y: Double)]) -> String {
    var text = ""
    for (index, point) in points.enumerated() {
      text += index == 0 ? "M" : "L"
      text += PictureText.coordinate(point.x) + " " + PictureText.coordinate(point.y)
    }
    return text
  }

  private static func faint(_ opacity: Double) -> String {
    opacity < 1 ? " opacity=\"\(PictureText.coordinate(opacity))\"" : ""
  }

  private mutating func fill(_ ink: Ink) -> String {
    inks.insert(ink)
    return ink.asFill
  }

  private mutating func outline(_ ink: Ink, _ width: Double, _ dash: String?) -> String {
    inks.insert(ink)
    let dashes = dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
    return
      "\(ink.asStroke) fill=\"none\" stroke-width=\"\(PictureText.coordinate(width))\"\(dashes)"
  }

  /// The document.
  /// - Parameters:
  ///   - title: its name.
  ///   - summary: what one sees in it, in a sentence, for those who do not see.
  func svg(title: String, summary: String, width: Double, height: Double) -> String {
    let size = (
      PictureText.coordinate(width.rounded(.up)), PictureText.coordinate(height.rounded(.up))
    )
    let title = PictureText.escaped(title)
    let dark = inks.sorted { $0.name < $1.name }.map { ink in
      ".fill-\(ink.name){fill:\(ink.colors.dark)}.line-\(ink.name){stroke:\(ink.colors.dark)}"
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size.0) \(size.1)" \
      width="\(size.0)" height="\(size.1)" role="img" \
      aria-label="\(title). \(PictureText.escaped(summary))">
      <title>\(title)</title>
      <style>@media (prefers-color-scheme:dark){\(dark.joined())}</style>
      <rect \(Ink.ground.asFill) width="\(size.0)" height="\(size.1)"/>
      <g \(Ink.text.asFill) font-family="sans-serif" font-size="12">
      \(body.joined(separator: "\n"))
      </g>
      </svg>

      """
  }
}
