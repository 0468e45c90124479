extension CacheFamily {
  private static let turboBits = CacheOption(
    "bits", .number(1...4), usual: "3",
    "of an element, besides the norm: 1 to 4; with a half, a quarter of the channels has one more")

  private static let mixtures: @Sendable (CacheSettings) throws(CacheError) -> Void = {
    (settings) throws(CacheError) in
    for option in ["bits", "values"] {
      guard let bits = settings.number(option) else { continue }
      guard (2 * bits).rounded() == 2 * bits else {
        throw .option(
          "\(option) of \(settings.name)", expected: "1, 1.5, 2, 2.5, 3, 3.5 or 4",
          got: settings.text(option)!)
      }
    }
  }

  private static let noRounding =
    "its codes are levels of a rotated direction; straight-through gradients are defined for whole "
    + "numbers only"

  static let turbo = CacheFamily(
    ["turbo"],
    "norm and rotated coordinates at Lloyd–Max levels, keys and values (TurboQuant, 2504.19874)",
    options: [
      turboBits,
      CacheOption("values", .number(1...4), "bits of values; those of keys when omitted"),
      .rotation, .seed,
    ], untrainable: noRounding, check: mixtures
  ) { (settings, shape) throws(CacheError) in
    let keys = settings.number("bits")!
    return try CombinedCache(
      keys: TurboKeyCache(shape, settings.turbo(keys)),
      values: TurboValueCache(shape, settings.turbo(settings.number("values") ?? keys)))
  }

  static let turboProd = CacheFamily(
    ["turbo-prod"],
    "the same with one bit of each key's coordinate for an unbiased inner product; values as turbo",
    options: [
      CacheOption("bits", .whole(1...4), usual: "3", "of a key's element, besides two norms"),
      CacheOption("values", .number(1...4), "bits of values; those of keys when omitted"),
      .rotation, .seed,
    ], untrainable: noRounding, check: mixtures
  ) { (settings, shape) throws(CacheError) in
    let keys = settings.number("bits")!
    var scheme = settings.turbo(keys)
    scheme.estimator = .innerProduct
    return try CombinedCache(
      keys: TurboKeyCache(shape, scheme),
      values: TurboValueCache(shape, settings.turbo(settings.number("values") ?? keys)))
  }

  static let polar = CacheFamily(
    ["polar"],
    "blocks of 16 rotated coordinates as a radius and 15 angles, 3.875 bits (PolarQuant, 2502.02617)",
    options: [
      CacheOption("angles", .four, usual: "4/2/2/2", "bits of an angle, level by level"),
      CacheOption(
        "online", .whole(1...1_000_000),
        "learns the angles from so many tokens, which wait as floats; else made for normal numbers"),
      .rotation, .seed,
    ],
    untrainable:
      "its codes are angles; straight-through gradients are defined for whole numbers only"
  ) { (settings, shape) throws(CacheError) in
    let bits = settings.text("angles")!.split(separator: "/").map { Int($0)! }
    let scheme = PolarScheme(
      bits: bits, codebook: settings.whole("online").map { .online(tokens: $0) } ?? .offline,
      rotation: settings.rotation)
    return try CombinedCache(
      keys: PolarKeyCache(shape, scheme), values: PolarValueCache(shape, scheme))
  }
}

extension CacheSettings {
  /// TurboQuant at 1 to 4 bits, or half a bit more for a quarter of outliers (as the paper counts).
  func turbo(_ bits: Double) -> TurboScheme {
    let whole = Int(bits)
    return TurboScheme(
      bits: whole, outliers: Double(whole) == bits ? nil : .init(bits: whole + 1),
      rotation: rotation, seed: seed)
  }
}
