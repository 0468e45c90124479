/// What a part of a picture is drawn in; the ground it lies on decides the color.
///
/// Series colors stay apart for most color-blind eyes (after Okabe and Ito) and keep a contrast of
/// at least 3 : 1 to the ground. Levels run one way in lightness, so that they also read in gray.
enum Ink: Hashable {
  case ground, text, quiet, axis, rule
  case series(Int)
  /// A height from 0 (lowest) to `Ink.levels - 1`.
  case level(Int)

  static let levels = levelColors.count

  private static let seriesColors = [
    ("#0072b2", "#56b4e9"), ("#d55e00", "#ff9d5c"), ("#00795a", "#3fd0a4"),
    ("#a8488a", "#e59cc8"), ("#7a6a00", "#f0e442"), ("#444444", "#cccccc"),
    ("#8a2be2", "#c59bff"), ("#a52a2a", "#ff8080"),
  ]
  private static let levelColors = [
    ("#eef1f3", "#2a333c"), ("#f5e3bf", "#54402b"), ("#f7c983", "#84521f"),
    ("#f2a54e", "#b5691a"), ("#e57d2a", "#dd8426"), ("#cb5515", "#f2a54a"),
    ("#a03310", "#f9c883"), ("#6c190c", "#ffebc4"),
  ]

  /// The color on light and on dark ground.
  var colors: (light: String, dark: String) {
    switch self {
    case .ground: ("#ffffff", "#161616")
    case .text: ("#1a1a1a", "#ececec")
    case .quiet: ("#5a5a5a", "#a8a8a8")
    case .axis: ("#6f6f6f", "#9a9a9a")
    case .rule: ("#d9d9d9", "#3a3a3a")
    case .series(let index): Self.seriesColors[index % Self.seriesColors.count]
    case .level(let index): Self.levelColors[min(max(index, 0), Self.levels - 1)]
    }
  }

  /// The end of the names of its classes.
  var name: String {
    switch self {
    case .ground: "ground"
    case .text: "text"
    case .quiet: "quiet"
    case .axis: "axis"
    case .rule: "rule"
    case .series(let index): "s\(index % Self.seriesColors.count)"
    case .level(let index): "h\(min(max(index, 0), Self.levels - 1))"
    }
  }

  var asFill: String { "class=\"fill-\(name)\" fill=\"\(colors.light)\"" }
  var asStroke: String { "class=\"line-\(name)\" stroke=\"\(colors.light)\"" }
}

/// What a series stands for. The same thing has the same color in every picture.
enum SeriesRole: Hashable, Sendable {
  case float, unrotated, random, hadamard, learned, trained
  /// Anything else, told apart by number.
  case numbered(Int)

  var ink: Ink {
    switch self {
    case .hadamard: .series(0)
    case .unrotated: .series(1)
    case .learned: .series(2)
    case .random: .series(3)
    case .trained: .series(4)
    case .float: .series(5)
    case .numbered(let index): .series(index)
    }
  }
}
