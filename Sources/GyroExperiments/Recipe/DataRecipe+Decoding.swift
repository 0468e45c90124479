extension DataRecipe {
  init(_ reader: RecipeReader?) throws(RecipeError) {
    let map = try reader?.mapping(["train", "calibrate", "evaluate", "also-evaluate"])
    func source(_ key: String) throws(RecipeError) -> DataSource? {
      guard let reader = map?[key] else { return nil }
      return try DataSource(reader)
    }
    train = try source("train")
    calibrate = try source("calibrate")
    evaluate = try source("evaluate")
    guard let also = map?["also-evaluate"] else { return }
    if evaluate == nil {
      throw .conflict(also.place, reason: "it goes with data.evaluate, which decides")
    }
    for member in try also.members() {
      alsoEvaluate.append(NamedSource(name: member.name, source: try DataSource(member.value)))
    }
  }
}

extension DataSource {
  init(_ reader: RecipeReader) throws(RecipeError) {
    guard case .mapping = reader.node else {
      self = .text(files: try reader.strings())
      return
    }
    let map = try reader.mapping(["text", "generated", "digits", "images", "labels", "range"])
    let kinds = ["text", "generated", "digits", "images"].filter { map[$0] != nil }
    guard kinds.count == 1 else {
      throw .wrongType(
        reader.place, expected: "one of text, generated, digits, images",
        got: kinds.isEmpty ? "none of them" : kinds.joined(separator: " and "))
    }
    for key in ["labels", "range"] where kinds != ["images"] {
      if let member = map[key] {
        throw .conflict(member.place, reason: "goes only with images")
      }
    }
    switch kinds[0] {
    case "text": self = .text(files: try map.required("text").strings())
    case "generated":
      let inner = try map.required("generated").mapping(["tokens", "seed"])
      self = .generated(
        tokens: try inner.required("tokens").integer(2...1_000_000_000),
        seed: try inner.integer("seed", 0...Int(Int32.max), default: 0))
    case "digits":
      let inner = try map.required("digits").mapping(["count", "seed"])
      self = .digits(
        count: try inner.required("count").integer(1...10_000_000),
        seed: try inner.integer("seed", 0...Int(Int32.max), default: 0))
    default:
      self = .images(
        images: try map.required("images").string(), labels: try map.required("labels").string(),
        range: try map["range"].map(Self.range))
    }
  }

  private static func range(_ reader: RecipeReader) throws(RecipeError) -> Range<Int> {
    let ends = try reader.list()
    guard ends.count == 2 else {
      throw .wrongType(
        reader.place, expected: "two whole numbers [first, end]", got: "a list of \(ends.count)")
    }
    let first = try ends[0].integer(0...Int.max)
    let end = try ends[1].integer(0...Int.max)
    guard first < end else {
      throw .outOfRange(
        reader.place, expected: "[first, end] with first below end", got: "[\(first), \(end)]")
    }
    return first..<end
  }
}
