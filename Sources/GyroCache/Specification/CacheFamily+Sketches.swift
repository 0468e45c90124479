extension CacheFamily {
  static let qjl = CacheFamily(
    ["qjl"], "keys as signs of a random projection, values per token and group (QJL, 2406.03482)",
    options: [
      CacheOption(
        "bits", .number(1...64),
        "of a key's element, norms and outliers included; takes as many rows as fit"),
      CacheOption(
        "rows", .whole(64...Sketch.rowsLimit),
        "of the sketch, a multiple of 64; 256 when neither bits nor rows are given"),
      CacheOption(
        "values", .whole(1...8),
        "bits of values, 1, 2, 3, 4 or 8; one less than bits, as groups of 32 cost one, else 2"),
      CacheOption(
        "value-group", .whole(32...4096), usual: "32",
        "channels that share a scale; a multiple of 32"),
      CacheOption(
        "outliers", .whole(0...64), usual: "0", "channels of each 32 tokens that are kept apart"),
      CacheOption(
        "outlier-rows", .whole(0...Sketch.rowsLimit), usual: "128",
        "of the outliers' own sketch; 0 keeps them in Float16"),
      CacheOption(
        "kind", .word(SketchKind.allCases.map(\.rawValue)), usual: "orthogonal",
        "how rows are drawn"),
      .window(128), .seed,
    ],
    untrainable:
      "signs of a random projection are no rounding: there is no number near the key that "
      + "the cache computes with",
    check: { (settings) throws(CacheError) in
      guard !(settings.has("bits") && settings.has("rows")) else {
        throw .option("qjl", expected: "bits or rows", got: "both")
      }
    }
  ) { (settings, shape) throws(CacheError) in
    let options = try settings.sketchOptions(headSize: shape.headSize)
    return try CombinedCache(
      keys: QJLKeyCache(shape, options),
      values: GroupValueCache(
        shape,
        .init(
          bits: settings.sketchValueBits, group: settings.whole("value-group")!,
          window: options.window)))
  }
}

extension CacheSettings {
  /// Bits of values beside sketched keys.
  var sketchValueBits: Int {
    whole("values") ?? number("bits").map { [1, 1, 2, 3, 4][min(max(Int($0) - 1, 0), 4)] } ?? 2
  }

  func sketchOptions(headSize: Int) throws(CacheError) -> QJLOptions {
    let outliers = whole("outliers")!, outlierRows = whole("outlier-rows")!
    let treatment: OutlierTreatment =
      if outliers == 0 { .together } else if outlierRows == 0 { .exact(channels: outliers) } else {
        .apart(channels: outliers, rows: outlierRows)
      }
    return QJLOptions(
      rows: try sketchRows(treatment, headSize: headSize),
      kind: SketchKind(rawValue: text("kind")!)!, outliers: treatment, window: whole("window")!,
      seed: seed)
  }

  /// As many rows as the bits of a key leave when norms and outliers have theirs.
  private func sketchRows(
    _ outliers: OutlierTreatment, headSize: Int
  ) throws(CacheError) -> Int {
    guard let bits = number("bits") else { return whole("rows") ?? 256 }
    // Norms are Float16; the channels' indices are a byte for 32 tokens.
    let taken: Double =
      switch outliers {
      case .together: 16
      case .apart(let channels, let rows): 32 + Double(rows) + Double(channels) / 4
      case .exact(let channels): 16 + 16.25 * Double(channels)
      }
    let rows = Int((bits * Double(headSize) - taken) / 64) * 64
    guard rows >= 64 else {
      let least = (64 + taken) / Double(headSize)
      throw .option(
        "bits of qjl",
        expected: "at least \((least * 100).rounded(.up) / 100) for heads of \(headSize)",
        got: text("bits")!)
    }
    return min(rows, Sketch.rowsLimit)
  }
}
