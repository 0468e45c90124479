extension ModelRecipe {
  init(_ reader: RecipeReader) throws(RecipeError) {
    guard case .mapping(let pairs) = reader.node else {
      self = .directory(try reader.string())
      return
    }
    // The architecture decides which keys are known, so it is read before the others are checked.
    let kinds = ["llama"] + ClassifierRecipe.Architecture.allCases.map(\.rawValue)
    let probe = RecipeMapping(
      reader: reader,
      members: pairs["architecture"].map {
        [
          "architecture": RecipeReader(
            $0, file: reader.file, keyPath: reader.keyPath + ".architecture",
            overrides: reader.overrides)
        ]
      } ?? [:], known: ["architecture"])
    let kind = try probe.required("architecture").name("architecture", among: kinds)
    if let architecture = ClassifierRecipe.Architecture(rawValue: kind) {
      self = .classifier(try ClassifierRecipe(reader, architecture))
    } else {
      self = .llama(try LlamaRecipe(reader))
    }
  }
}

extension LlamaRecipe {
  private static let extent = 1...1_048_576

  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping([
      "architecture", "hidden", "layers", "heads", "key-value-heads", "feed-forward", "context",
      "tied", "rotary-base", "norm-epsilon", "tokenizer",
    ])
    hidden = try map.required("hidden").integer(Self.extent)
    layers = try map.required("layers").integer(1...1024)
    heads = try map.required("heads").integer(1...4096)
    keyValueHeads = try map.integer("key-value-heads", 1...4096, default: heads)
    feedForward = try map.required("feed-forward").integer(Self.extent)
    context = try map.integer("context", Self.extent, default: 256)
    tied = try map.flag("tied", default: false)
    rotaryBase = try map.number("rotary-base", 1...1e12, default: 10000)
    normEpsilon = try map.number("norm-epsilon", 0...1, default: 1e-5)
    tokenizer = try TokenizerRecipe(try map.required("tokenizer"))
    guard hidden % heads == 0, (hidden / heads) % 2 == 0 else {
      throw .conflict(
        map.place, reason: "hidden (\(hidden)) must be heads (\(heads)) times an even number")
    }
    guard heads % keyValueHeads == 0 else {
      throw .conflict(
        map.place,
        reason: "key-value-heads (\(keyValueHeads)) must divide heads (\(heads))")
    }
  }
}

extension TokenizerRecipe {
  init(_ reader: RecipeReader) throws(RecipeError) {
    guard case .mapping = reader.node else {
      self = .path(try reader.string())
      return
    }
    let map = try reader.mapping(["train", "vocabulary"])
    self = .train(
      files: try map.required("train").strings(),
      vocabulary: try map.integer("vocabulary", 257...1_000_000, default: 4096))
  }
}

extension ClassifierRecipe {
  init(_ reader: RecipeReader, _ architecture: Architecture) throws(RecipeError) {
    let own =
      switch architecture {
      case .lenet: [] as [String]
      case .resnet: ["width", "blocks"]
      case .mobilenet: ["width"]
      case .mlp: ["hidden"]
      }
    let map = try reader.mapping(["architecture", "classes", "image"] + own)
    self.architecture = architecture
    classes = try map.integer("classes", 2...100_000, default: 10)
    width = own.contains("width") ? try map.integer("width", 1...4096, default: 16) : 16
    blocks = own.contains("blocks") ? try map.integer("blocks", 1...64, default: 3) : 3
    hidden = [128]
    if own.contains("hidden"), let widths = try map["hidden"]?.list() {
      hidden = []
      for width in widths { hidden.append(try width.integer(1...1_048_576)) }
    }
    (channels, height, imageWidth) = (1, 28, 28)
    if let image = map["image"] {
      let extents = try image.list()
      guard extents.count == 3 else {
        throw .wrongType(
          image.place, expected: "[channels, height, width]", got: "a list of \(extents.count)")
      }
      channels = try extents[0].integer(1...1024)
      height = try extents[1].integer(1...16384)
      imageWidth = try extents[2].integer(1...16384)
    }
  }
}
