/// Reads the `normalizer` of a tokenizer file.
enum NormalizerFile {
  private static let supported =
    ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend", "Replace", "Sequence"]

  static func read(_ reader: JSONReader) throws(TokenizerError) -> Normalizer {
    let type = try reader.member("type").string()
    if let form = UnicodeForm(rawValue: type) { return .unicode(form) }
    switch type {
    case "Lowercase":
      return .lowercase
    case "Prepend":
      return .prepend(try reader.member("prepend").bytes())
    case "Replace":
      return .replace(
        try LiteralPattern.read(try reader.member("pattern")),
        with: try reader.member("content").bytes())
    case "Sequence":
      var normalizers: [Normalizer] = []
      for element in try reader.member("normalizers").elements() {
        normalizers.append(try read(element))
      }
      return .sequence(normalizers)
    default:
      throw reader.unsupported("normalizer", type, supported: supported)
    }
  }
}

/// Reads patterns that must be literal strings.
enum LiteralPattern {
  static func read(_ reader: JSONReader) throws(TokenizerError) -> [UInt8] {
    if let expression = try reader.optional("Regex") {
      throw .unsupportedPattern(
        pattern: try expression.string(), path: expression.path,
        supported: [#"a literal: {"String": "…"}"#])
    }
    return try reader.member("String").bytes()
  }
}
