/// Reads the `pre_tokenizer` of a tokenizer file.
enum PreTokenizerFile {
  private static let supported = ["ByteLevel", "Digits", "Metaspace", "Sequence", "Split"]
  private static let patterns =
    [GPT2Pattern.text, ChatPattern.llama3Text, ChatPattern.qwen2Text]

  static func read(
    _ reader: JSONReader, into result: inout PreTokenizer
  ) throws(TokenizerError) {
    let type = try reader.member("type").string()
    if result.isByteLevel, type != "Sequence" {
      throw reader.unsupported(
        "pre-tokenizer order", "\(type) after ByteLevel", supported: ["ByteLevel as the last one"])
    }
    switch type {
    case "ByteLevel":
      if try reader.flag("add_prefix_space", otherwise: true) { result.steps.append(.prefixSpace) }
      if try reader.flag("use_regex", otherwise: true) { result.steps.append(.gpt2) }
      result.isByteLevel = true
    case "Digits":
      let individual = try reader.flag("individual_digits", otherwise: false)
      result.steps.append(.digits(individual: individual))
    case "Metaspace":
      result.steps.append(.metaspace(try MetaspaceFile.read(reader)))
    case "Split":
      result.steps.append(try split(reader))
    case "Sequence":
      for element in try reader.member("pretokenizers").elements() {
        try read(element, into: &result)
      }
    default:
      throw reader.unsupported("pre-tokenizer", type, supported: supported)
    }
  }

  private static func split(_ reader: JSONReader) throws(TokenizerError) -> PreTokenizer.Step {
    let behaviorReader = try reader.member("behavior")
    let name = try behaviorReader.string()
    let supportedBehaviors = LiteralSplit.Behavior.allCases.map(\.rawValue)
    guard let behavior = LiteralSplit.Behavior(rawValue: name) else {
      throw behaviorReader.unsupported(
        "split behavior", name, supported: supportedBehaviors)
    }
    let isInverted = try reader.flag("invert", otherwise: false)
    let pattern = try reader.member("pattern")
    guard let expression = try pattern.optional("Regex") else {
      let literal = try LiteralPattern.read(pattern)
      return .literal(
        LiteralSplit(pattern: literal, behavior: behavior, isInverted: isInverted))
    }
    // The known patterns match every character, so that nothing lies between two words.
    guard behavior == .isolated || behavior == .removed && isInverted else {
      throw behaviorReader.unsupported(
        "split behavior for a regular expression", name,
        supported: ["Isolated", "Removed with invert"])
    }
    switch Array(try expression.bytes()) {
    case Array(GPT2Pattern.text.utf8): return .gpt2
    case Array(ChatPattern.llama3Text.utf8): return .chat(digitLimit: 3)
    case Array(ChatPattern.qwen2Text.utf8): return .chat(digitLimit: 1)
    default:
      throw .unsupportedPattern(
        pattern: try expression.string(), path: expression.path, supported: patterns)
    }
  }
}

/// Reads the Metaspace component, which serves as pre-tokenizer and as decoder.
enum MetaspaceFile {
  static func read(_ reader: JSONReader) throws(TokenizerError) -> Metaspace {
    let replacementReader = try reader.member("replacement")
    let replacement = try replacementReader.string()
    guard replacement.unicodeScalars.count == 1 else {
      throw replacementReader.unexpected("a string of one character")
    }
    return Metaspace(
      replacement: Array(replacement.utf8),
      prependScheme: try scheme(reader),
      splits: try reader.flag("split", otherwise: true))
  }

  private static func scheme(_ reader: JSONReader) throws(TokenizerError) -> Metaspace.PrependScheme
  {
    let addsPrefixSpace = try reader.flag("add_prefix_space", otherwise: true)
    guard let found = try reader.optional("prepend_scheme") else {
      return addsPrefixSpace ? .always : .never
    }
    let name = try found.string()
    guard let scheme = Metaspace.PrependScheme(rawValue: name) else {
      throw found.unsupported(
        "prepend scheme", name, supported: Metaspace.PrependScheme.allCases.map(\.rawValue))
    }
    return addsPrefixSpace ? scheme : .never
  }
}
