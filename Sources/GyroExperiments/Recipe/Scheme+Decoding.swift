import GyroModels
import GyroQuantization

extension QuantizationScheme {
  /// The number formats a recipe may name.
  static let formatNames = [SignedInteger.int8.name]

  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping(["weights", "activations", "keep"])
    let weights = try map["weights"].map { reader throws(RecipeError) in
      try Rule(reader, granularities: [.channel, .tensor])
    }
    let activations = try map["activations"].map { reader throws(RecipeError) in
      try Rule(reader, granularities: [.token, .tensor])
    }
    guard weights != nil || activations != nil else {
      throw .conflict(map.place, reason: "a scheme needs weights, activations or both")
    }
    var keep: [PathPattern] = []
    if let kept = map["keep"] {
      for element in try kept.list() { keep.append(PathPattern(try element.string())) }
    }
    self.init(weights: weights, activations: activations, keep: keep)
  }
}

extension QuantizationScheme.Rule {
  /// The first of `granularities` is the one a rule has that names none.
  init(_ reader: RecipeReader, granularities: [Granularity]) throws(RecipeError) {
    let map = try reader.mapping(["format", "granularity"])
    let format = try map.required("format")
      .name("number format", among: QuantizationScheme.formatNames)
    let granularity = try map["granularity"]?
      .name("granularity", among: granularities.map(\.rawValue))
    self.init(
      format: format, granularity: granularity.flatMap(Granularity.init) ?? granularities[0])
  }
}
