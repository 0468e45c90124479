/// Reads the `post_processor` of a tokenizer file.
enum PostProcessorFile {
  private static let supported =
    ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"]

  static func read(_ reader: JSONReader?) throws(TokenizerError) -> PostProcessor {
    guard let reader else { return PostProcessor() }
    let type = try reader.member("type").string()
    switch type {
    case "ByteLevel":
      return PostProcessor()
    case "BertProcessing", "RobertaProcessing":
      return PostProcessor(
        prefix: [try namedToken(try reader.member("cls"))],
        suffix: [try namedToken(try reader.member("sep"))])
    case "Sequence":
      var result = PostProcessor()
      for element in try reader.member("processors").elements() {
        let next = try read(element)
        guard result.isEmpty || next.isEmpty else {
          throw element.unsupported(
            "post-processor sequence", "two parts that add tokens",
            supported: ["one part that adds tokens"])
        }
        if !next.isEmpty { result = next }
      }
      return result
    case "TemplateProcessing":
      return try template(reader)
    default:
      throw reader.unsupported("post-processor", type, supported: supported)
    }
  }

  /// The id in `["token", id]`.
  private static func namedToken(_ reader: JSONReader) throws(TokenizerError) -> Int32 {
    let parts = try reader.elements()
    guard parts.count == 2 else { throw reader.unexpected("a token and its id") }
    return Int32(try ModelFile.identifier(parts[1], token: try parts[0].bytes()))
  }

  private static func template(_ reader: JSONReader) throws(TokenizerError) -> PostProcessor {
    let single = try reader.member("single")
    let specialTokens = try reader.member("special_tokens")
    var result = PostProcessor()
    var textCount = 0
    for piece in try single.elements() {
      if try piece.optional("Sequence") != nil {
        textCount += 1
        continue
      }
      let name = try piece.member("SpecialToken").member("id").string()
      let identifiers = try specialTokens.member(name).member("ids").elements()
      for element in identifiers {
        let identifier = Int32(try ModelFile.identifier(element, token: Array(name.utf8)))
        if textCount == 0 {
          result.prefix.append(identifier)
        } else {
          result.suffix.append(identifier)
        }
      }
    }
    guard textCount == 1 else { throw single.unexpected("a template with one Sequence") }
    return result
  }
}
