import Foundation
import Testing

@testable import GyroExperiments

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The elements of a picture: names and attributes in the order of the file; nil if it is no XML.
private func elements(_ svg: String) -> [(name: String, attributes: [String: String])]? {
  final class Reader: NSObject, XMLParserDelegate {
    var found: [(name: String, attributes: [String: String])] = []
    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) { found.append((name, attributes)) }
  }
  let reader = Reader()
  let parser = XMLParser(data: Data(svg.utf8))
  parser.delegate = reader
  return parser.parse() ? reader.found : nil
}

private func texts(_ svg: String) -> [String] {
  svg.split(separator: "\n").filter { $0.hasPrefix("<text") }.map {
    String($0.drop { $0 != ">" }.dropFirst().prefix { $0 != "<" })
  }
}

private func numbers(_ svg: String, _ name: String, _ attribute: String, class: String) -> [Double]
{
  (elements(svg) ?? []).filter { $0.name == name && $0.attributes["class"] == `class` }
    .compactMap { $0.attributes[attribute].flatMap(Double.init) }
}

private func surface(outlier: Float = 40, scale: ActivationSurface.Scale = .shared)
  -> ActivationSurface
{
  let (tokens, channels) = (100, 300)
  let rotated = (0..<tokens * channels).map { Float(($0 * 7919) % 101) / 101 }
  var plain = rotated
  plain[37 * channels + 211] = -outlier
  return ActivationSurface(
    title: "Input of q_proj <0> & \"more\"",
    panels: [
      .init(label: "before", values: plain, channels: channels),
      .init(label: "after", values: rotated, channels: channels),
    ], scale: scale)
}

private func bars(_ values: [Double?], logarithmic: Bool = false) -> LayerBars {
  LayerBars(
    title: "Signal over error", axis: "dB", layers: values.indices.map { "layer \($0)" },
    series: [.init(name: "before", role: .unrotated, values: values)],
    isLogarithmic: logarithmic)
}

private func curves(_ values: [Double]) -> Curves {
  Curves(
    title: "Loss", axis: "loss, nats per token",
    runs: [
      .init(
        name: "run", role: .learned,
        points: values.enumerated().map { .init(step: $0.offset, value: $0.element) })
    ])
}

private func strip(_ values: [Double]) -> SpreadStrip {
  SpreadStrip(
    title: "Spread", axis: "perplexity",
    methods: [
      .init(name: "random orthogonal", role: .random, values: values),
      .init(name: "learned", role: .learned, values: values.map { $0 / 2 }),
    ], float: 2.5)
}

private func ladder(_ shares: [Double]) -> LadderBars {
  LadderBars(
    title: "Ladder",
    rungs: shares.map { .init(name: "rung", role: .hadamard, share: $0, detail: "ppl 12.3") })
}

private func dots(_ values: [Double]) -> DotPlot {
  DotPlot(
    title: "Dots", axis: "dB", series: (0..<8).map { .init(name: "series \($0)") },
    rows: values.map { value in
      .init(label: "row", points: (0..<8).map { ($0, value + Double($0)) })
    })
}

@Suite struct PicturesTests {
  /// One of each, of ordinary numbers.
  private var all: [String] {
    [
      surface().svg, bars([10, 20.5, nil, -3]).svg, curves([3, 2.5, .nan, 2.25]).svg,
      strip([4, 5, 6]).svg, ladder([0.1, 0.9, -7]).svg, dots([1, 2]).svg,
    ]
  }

  @Test func picturesAreSmallSelfContainedXML() throws {
    for svg in all {
      let found = try #require(elements(svg))
      #expect(found[0].name == "svg" && found[0].attributes["role"] == "img")
      #expect(found[0].attributes["aria-label"]!.count > 20)
      #expect(found[1].name == "title")
      #expect(svg.contains("prefers-color-scheme:dark") && svg.hasSuffix("</svg>\n"))
      // The name of the notation is the one address; nothing is fetched, nothing runs.
      #expect(svg.components(separatedBy: "http").count == 2)
      #expect(!svg.contains("<script") && !svg.contains("url(") && !svg.contains("href"))
      #expect(!svg.contains("nan") && !svg.contains("inf"))
      #expect(svg.utf8.count < 100_000)
    }
  }

  @Test func everyColorHasACounterpartOnDarkGround() throws {
    for svg in all {
      let classes = Set(try #require(elements(svg)).compactMap { $0.attributes["class"] })
      for name in classes { #expect(svg.contains(".\(name){"), "\(name)") }
    }
  }

  @Test func theSameNumbersGiveTheSameBytes() {
    #expect(zip(all, all).allSatisfy { $0.utf8.elementsEqual($1.utf8) })
  }

  @Test func ticksAreRoundAndHoldTheValues() {
    #expect(
      AxisScale([0.13, 0.87]).ticks.map { AxisScale([0.13, 0.87]).label($0) }
        == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"])
    #expect(AxisScale([0, 43.2]).ticks == [0, 10, 20, 30, 40, 50])
    #expect(AxisScale([-7, 12]).ticks == [-10, -5, 0, 5, 10, 15])
    #expect(AxisScale([2, 70], logarithmic: true).ticks == [1, 2, 5, 10, 20, 50, 100])
    #expect(AxisScale([0, 99], extent: .tight, count: 4, whole: true).ticks == [0, 50])
    let millions = AxisScale([0, 2.5e6])
    #expect(
      millions.ticks.map(millions.label)
        == ["0", "5e5", "1e6", "1.5e6", "2e6", "2.5e6"])
    let extremes: [[Double]] = [
      [], [0], [3.2], [-1e-9], [1e17, 1e17 + 64], [1e-12, 3e-12], [-1e199, 1e199], [.nan, 5, 6],
      [.infinity], [1e300, 1], [0.1 + 0.2, 0.3],
    ]
    for values in extremes {
      for logarithmic in [false, true] {
        let scale = AxisScale(values, logarithmic: logarithmic)
        let labels = scale.ticks.map(scale.label)
        #expect((2...30).contains(scale.ticks.count), "\(values)")
        #expect(Set(labels).count == labels.count, "\(labels)")
        #expect(scale.position(scale.low) == 0 && abs(scale.position(scale.high) - 1) < 1e-9)
        for value in values where AxisScale.holds(value, logarithmic: logarithmic) {
          #expect((-1e-6...1 + 1e-6).contains(scale.position(value)), "\(value) of \(values)")
        }
      }
    }
  }

  @Test func numbersReadAsPeopleWriteThem() {
    #expect([0.04, -0.04, 12.34, -7].map(PictureText.coordinate) == ["0", "0", "12.3", "-7"])
    #expect(PictureText.decimal(-0.001, places: 2) == "0.00")
    #expect(PictureText.decimal(-1.5, places: 1) == "−1.5")
    #expect(
      [0, 0.03125, 43.21, 999.6, 1234, 2.5e7, -1e-7, .nan].map(PictureText.figure)
        == ["0", "0.0312", "43.2", "1000", "1234", "2.5e7", "−1e−7", "no number"])
  }

  @Test func anOutlierSurvivesDownsampling() {
    let panel = surface().panels[0]
    let grid = MagnitudeGrid(panel.values, channels: 300, rows: 24, columns: 64)
    #expect(grid.rows == 24 && grid.columns == 64 && grid.largest == 40)
    #expect(grid.cells[37 * 24 / 100 * 64 + 211 * 64 / 300] == 40)
    #expect(grid.cells.count { $0 > 1 } == 1)
    let whole = MagnitudeGrid([1, -2, .nan, 4], channels: 2, rows: 24, columns: 64)
    #expect(whole.cells == [1, 2, 0, 4] && whole.leftOut == 1)
    #expect(abs(whole.rootMeanSquare - 7.0.squareRoot()) < 1e-12)
  }

  @Test func bothSidesShareOneScale() {
    func labels(_ picture: ActivationSurface) -> [String] { texts(picture.svg) }
    let shared = labels(surface())
    #expect(shared[0].hasSuffix("(same vertical scale)"))
    #expect(
      shared.count { $0 == "40" } == 2 && shared.contains("largest 40.0, root mean square 0.618"))
    let separate = labels(surface(scale: .separate))
    #expect(separate[0].hasSuffix("(each with its own vertical scale)"))
    #expect(separate.count { $0 == "40" } == 1 && separate.contains("1.0"))
  }

  @Test func barsStartAtZero() {
    let svg = bars([10, 20, -5]).svg
    let color = "fill-s1"
    let tops = numbers(svg, "rect", "y", class: color).dropFirst()
    let heights = numbers(svg, "rect", "height", class: color).dropFirst()
    let ends = zip(tops, heights).map(+)
    // Positive ones end where the negative one begins, and lengths are in proportion.
    #expect(abs(ends[0] - ends[1]) < 0.2 && abs(ends[0] - tops.last!) < 0.2)
    #expect(abs(heights.dropFirst().first! - 2 * heights.first!) < 0.3)
    #expect(abs(heights.first! - 2 * heights.last!) < 0.3)
    let shares = ladder([0.25, 0.5, -0.25]).svg
    let starts = numbers(shares, "rect", "x", class: "fill-s0")
    let widths = numbers(shares, "rect", "width", class: "fill-s0")
    #expect(starts[0] == starts[1] && abs(starts[2] + widths[2] - starts[0]) < 0.2)
    #expect(abs(widths[1] - 2 * widths[0]) < 0.3 && abs(widths[2] - widths[0]) < 0.3)
  }

  @Test func aLogarithmicAxisSaysSoAndStartsAtOne() {
    let svg = bars([3, 30, 0, -1], logarithmic: true).svg
    #expect(texts(svg).contains("dB, logarithmic"))
    #expect(texts(svg).contains("2 values without a place on this axis left out"))
    let labels = texts(svg)
    #expect(labels.contains("1") && labels.contains("100") && !labels.contains("0"))
  }

  @Test func aRuinedRungIsCutAndStillStatesItsFigure() {
    let svg = ladder([0.5, -8.125]).svg
    #expect(texts(svg).contains("−812.5 %") && texts(svg).contains("−100"))
    #expect(!texts(svg).contains("−1000"))
  }

  @Test func aCurveLosesNoPeakAndBreaksWhereThereIsNoNumber() {
    var values = (0..<100_000).map { 2 + 0.001 * Double($0 % 7) }
    values[54_321] = 9
    let svg = curves(values).svg
    #expect(svg.utf8.count < 40_000)
    let whole = Curves.thinned(values.enumerated().map { (Double($0.offset) / 200, $0.element) })
    #expect(whole.map(\.y).max() == 9 && whole.first!.x == 0 && whole.last!.x == 99_999.0 / 200)
    func lines(_ values: [Double]) -> Int {
      curves(values).svg.components(separatedBy: "<polyline").count - 1
    }
    #expect(lines([3, 2, 1]) == 1 && lines([3, 2, .nan, 2, 1]) == 2)
  }

  @Test func seedsBecomeAMeanAndABand() {
    let seeds = [[1.0, 2, 3], [3.0, 6, 5, 9]].map { values in
      values.enumerated().map { Curves.Point(step: $0.offset, value: $0.element) }
    }
    let run = Curves.Run(name: "learned", role: .learned, seeds: seeds)
    #expect(run.points.map(\.value) == [2, 4, 4] && run.points.map(\.step) == [0, 1, 2])
    #expect(run.band.map(\.low) == [1, 2, 3] && run.band.map(\.high) == [3, 6, 5])
  }

  @Test func aSpreadShowsEverySeedItsRangeAndTheFloatModel() {
    let svg = strip([4, 5, 6, .infinity]).svg
    #expect(numbers(svg, "circle", "r", class: "fill-s3").count == 3)
    #expect(texts(svg).contains("float 2.50") && texts(svg).contains("3 seeds"))
    #expect(texts(svg).contains { $0 == "4.00 to 6.00" })
    #expect(texts(svg).contains("2 values without a place on this axis left out"))
  }

  @Test func whatCannotBeDrawnSaysWhy() throws {
    let empty = ActivationSurface(
      title: "a", panels: [.init(label: "before", values: [], channels: 0)])
    let broken = ActivationSurface(
      title: "a", panels: [.init(label: "before", values: [.nan, .infinity], channels: 2)])
    let notes = [
      ActivationSurface(title: "a", panels: []).svg, empty.svg, broken.svg, bars([]).svg,
      bars([nil, .nan]).svg, bars([-1, 0], logarithmic: true).svg, curves([]).svg,
      curves([.nan, .infinity]).svg, strip([]).svg, strip([.nan]).svg, ladder([]).svg,
      ladder([.nan]).svg, dots([]).svg, dots([.nan]).svg,
    ]
    for svg in notes {
      #expect(elements(svg) != nil)
      #expect(texts(svg).count == 2 && texts(svg)[1].hasPrefix("Nothing to draw: "))
    }
    // One token, one channel, nothing but zeros: little to see, and still a picture.
    for values: [Float] in [[1], [1, 2], [0, 0, 0, 0]] {
      for channels in [1, values.count] {
        let panel = ActivationSurface.Panel(label: "b", values: values, channels: channels)
        let svg = ActivationSurface(title: "a", panels: [panel, panel]).svg
        #expect(elements(svg) != nil && texts(svg).count > 6)
      }
    }
    #expect(elements(curves([2]).svg) != nil && elements(bars([.nan, 1]).svg) != nil)
  }

  @Test func aRunKeepsItsPicturesAndTheReportShowsThem() throws {
    try withTemporaryFolder { folder in
      let run = try RunFolder(folder.appending(path: "run"))
      #expect(run.readPictures().isEmpty)
      let (one, two) = (curves([3, 2]).svg, strip([1, 2]).svg)
      try run.write(picture: two, named: "10 spread/of: seeds")
      try run.write(picture: one, named: "2-loss")
      try run.write(picture: two, named: "../up")
      #expect(run.readPictures().map(\.name) == ["-up", "2-loss", "10-spread-of--seeds"])
      #expect(run.readPictures().map(\.svg) == [two, one, two])
      let results = try JSONDecoder().decode(
        ExperimentResults.self,
        from: Data(
          #"{"name":"a<b","description":"","precision":"float32","parameters":1,"stages":[]}"#.utf8
        ))
      let report = HTMLReport(
        results: results, recipe: "name: a", curves: [("train", [(0, 2.5), (1, 2.25)])],
        pictures: run.readPictures())
      #expect(report.text.components(separatedBy: "<svg ").count == 5)
      #expect(report.text.contains(one) && report.text.contains("train: loss by step"))
      #expect(report.text.contains("a&lt;b") && !report.text.contains("<script"))
      try run.clear()
      #expect(run.readPictures().isEmpty)
    }
  }
}
