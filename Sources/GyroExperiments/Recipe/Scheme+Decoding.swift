import GyroModels
import GyroQuantization

extension QuantizationScheme {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping([
      "weights", "activations", "embeddings", "cache", "sites", "rules", "keep", "rotations",
    ])
    self.init()
    weights = try map["weights"].map(QuantizationRule.ofWeights)
    activations = try map["activations"].map(QuantizationRule.ofActivations)
    embeddings = try map["embeddings"].map(QuantizationRule.ofWeights)
    if let cache = try map["cache"]?.mapping(["keys", "values"]) {
      keys = try cache["keys"].map(QuantizationRule.ofActivations)
      values = try cache["values"].map(QuantizationRule.ofActivations)
    }
    if let reader = map["sites"] {
      sites = []
      for element in try reader.list() {
        let choices = Site.Kind.allCases.filter { $0 != .keys && $0 != .values }.map(\.rawValue)
        sites.insert(Site.Kind(rawValue: try element.name("site", among: choices))!)
      }
    }
    if let rules = map["rules"] {
      for element in try rules.list() { exceptions.append(try Exception(element)) }
    }
    if let kept = map["keep"] {
      for element in try kept.list() { keep.append(PathPattern(try element.string())) }
    }
    rotations = try map["rotations"].map(RotationRule.init)
    let hasRule =
      weights != nil || activations != nil || embeddings != nil || keys != nil || values != nil
      || !exceptions.isEmpty
    guard hasRule else {
      throw .conflict(
        map.place, reason: "a scheme needs weights, activations, embeddings, cache or rules")
    }
  }
}

extension RotationRule {
  /// A list of placements, or a mapping that says more.
  init(_ reader: RecipeReader) throws(RecipeError) {
    let isList = (try? reader.list()) != nil
    let map = isList ? nil : try reader.mapping(["placements", "signs", "block"])
    var placements: Set<Placement> = []
    for element in try (map?.required("placements") ?? reader).list() {
      let choices = Placement.allCases.map(\.rawValue)
      placements.insert(Placement(rawValue: try element.name("rotation", among: choices))!)
    }
    let seed = try map?["signs"]?.integer(0...Int(Int32.max))
    self.init(
      placements, signSeed: seed.map(UInt64.init),
      blockSize: try map?["block"]?.integer(1...1_048_576))
  }
}

extension QuantizationScheme.Exception {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping(["match", "weights", "activations"])
    self.init(
      PathPattern(try map.required("match").string()),
      weights: try map["weights"].map(QuantizationRule.ofWeights),
      activations: try map["activations"].map(QuantizationRule.ofActivations))
    guard weights != nil || activations != nil else {
      throw .conflict(map.place, reason: "a rule needs weights, activations or both")
    }
  }
}

extension QuantizationRule {
  static func ofWeights(_ reader: RecipeReader) throws(RecipeError) -> QuantizationRule {
    try QuantizationRule(
      reader, granularity: .channel, forms: ["tensor", "channel", "group", "block"])
  }

  static func ofActivations(_ reader: RecipeReader) throws(RecipeError) -> QuantizationRule {
    try QuantizationRule(reader, granularity: .token, forms: ["tensor", "token", "group", "head"])
  }

  /// `granularity` is the one of a rule that names none and whose format brings none.
  private init(
    _ reader: RecipeReader, granularity usual: Granularity, forms: [String]
  ) throws(RecipeError) {
    let map = try reader.mapping([
      "format", "granularity", "scale", "symmetric", "range", "dynamic", "estimator",
    ])
    let format = try map.required("format")
    let name = try format.string()
    guard FormatNames.format(BlockFormat.named(name)?.element ?? name) != nil else {
      throw .unknownName(
        format.place, what: "number format", got: name,
        known: FormatNames.families + BlockFormat.all.map(\.name))
    }
    let granularity = try map["granularity"].map { reader throws(RecipeError) in
      let text = try reader.string()
      let known = Granularity.forms.filter { form in
        forms.contains { form == $0 || form.hasPrefix($0 + "-") }
      }
      guard let value = Granularity(text),
        forms.contains(where: { text == $0 || text.hasPrefix($0 + "-") })
      else {
        throw RecipeError.unknownName(reader.place, what: "granularity", got: text, known: known)
      }
      return value
    }
    let range = try map["range"].map { reader throws(RecipeError) in
      try reader.value("a range method, like " + RangeMethod.forms.joined(separator: ", ")) {
        RangeMethod($0)
      }
    }
    let estimator = try map["estimator"].map { reader throws(RecipeError) in
      let text = try reader.string()
      do throws(QuantizationError) {
        _ = try GradientEstimators.named(text, for: reader.keyPath)
      } catch {
        throw RecipeError.conflict(reader.place, reason: "\(error)")
      }
      return text
    }
    let block = BlockFormat.named(name)
    self.init(
      format: name, granularity: granularity ?? block?.granularity ?? usual,
      scale: try map["scale"].map { reader throws(RecipeError) in
        let choices = ScaleFormat.allCases.map(\.rawValue)
        return ScaleFormat(rawValue: try reader.name("scale type", among: choices))!
      },
      isSymmetric: try map.flag("symmetric", default: true), range: range ?? .minMax,
      isDynamic: try map["dynamic"]?.flag(), estimator: estimator ?? "straight-through")
  }
}
