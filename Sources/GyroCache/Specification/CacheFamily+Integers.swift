extension CacheFamily {
  private static let widths = [8, 4, 3, 2]

  private static let integerOptions = [
    CacheOption(
      "group", .whole(8...4096),
      "neighboring channels that share a scale; the whole head when omitted"),
    CacheOption(
      "values", .whole(2...8), "bits of values, 2, 3, 4 or 8; those of keys when omitted"),
    CacheOption(
      "symmetric", .flag, "no minimum: scale = largest magnitude/(2^(bits−1) − 1)"),
    .window(0),
  ]

  static let integers = CacheFamily(
    widths.map { "int\($0)" },
    "whole numbers with a Float16 scale and minimum for each token and head (or group)",
    options: integerOptions
  ) { (settings, shape) throws(CacheError) in
    try integers(settings, shape)
  }

  static let rotatedIntegers = CacheFamily(
    widths.map { "rotated-int\($0)" },
    "the same behind a random Hadamard transform of each head, as SpinQuant's R3 for keys",
    options: integerOptions + [.seed]
  ) { (settings, shape) throws(CacheError) in
    try integers(settings, shape)
  }

  private static func integers(
    _ settings: CacheSettings, _ shape: CacheShape
  ) throws(CacheError) -> any KeyValueCache {
    let (keys, values) = settings.integerSchemes(headSize: shape.headSize)
    return try CombinedCache(
      keys: IntegerKeyCache(shape, keys), values: IntegerValueCache(shape, values))
  }

  static let kivi = CacheFamily(
    ["kivi"],
    "whole numbers, keys per channel over groups of tokens, values per token (KIVI, 2402.02750)",
    options: [
      CacheOption("bits", .whole(2...8), usual: "2", "of keys and values: 2, 3, 4 or 8"),
      CacheOption("values", .whole(1...8), "bits of values; those of keys when omitted"),
      CacheOption("group", .whole(1...256), usual: "32", "tokens that share a channel's scale"),
      CacheOption(
        "value-group", .whole(32...4096), usual: "32",
        "channels that share a token's scale; a multiple of 32"),
      .window(128),
    ],
    untrainable: "a channel's scale depends on tokens that come later"
  ) { (settings, shape) throws(CacheError) in
    let bits = settings.whole("bits")!, window = settings.whole("window")!
    return try CombinedCache(
      keys: IntegerKeyCache(
        shape,
        IntegerCacheScheme(
          bits: bits, grouping: .channels(tokens: settings.whole("group")!), window: window)),
      values: GroupValueCache(
        shape,
        .init(
          bits: settings.whole("values") ?? bits, group: settings.whole("value-group")!,
          window: window)))
  }
}

extension CacheSettings {
  /// How `int4`, `rotated-int4` and their like code keys and values.
  func integerSchemes(headSize: Int) -> (keys: IntegerCacheScheme, values: IntegerCacheScheme) {
    let bits = Int(String(name.last!))!
    let keys = IntegerCacheScheme(
      bits: bits, isSymmetric: has("symmetric"),
      grouping: .tokens(channels: whole("group") ?? max(headSize, 16)), window: whole("window")!,
      rotation: name.hasPrefix("rotated") ? .hadamard(seed: seed) : .none)
    var values = keys
    values.bits = whole("values") ?? bits
    return (keys, values)
  }
}
