/// Reads the `decoder` of a tokenizer file.
enum DecoderFile {
  private static let supported =
    ["ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Sequence", "Strip"]

  static func read(_ reader: JSONReader?) throws(TokenizerError) -> TokenDecoder {
    guard let reader else { return TokenDecoder(steps: nil) }
    return TokenDecoder(steps: try steps(reader))
  }

  private static func steps(_ reader: JSONReader) throws(TokenizerError) -> [TokenDecoder.Step] {
    let type = try reader.member("type").string()
    switch type {
    case "ByteLevel":
      return [.byteLevel]
    case "ByteFallback":
      return [.byteFallback]
    case "Fuse":
      return [.fuse]
    case "Metaspace":
      let metaspace = try MetaspaceFile.read(reader)
      return [
        .metaspace(
          replacement: metaspace.replacement, dropsFirst: metaspace.prependScheme != .never)
      ]
    case "Replace":
      return [
        .replace(
          try LiteralPattern.read(try reader.member("pattern")),
          with: try reader.member("content").bytes())
      ]
    case "Strip":
      let content = try reader.member("content")
      guard try content.string().unicodeScalars.count == 1 else {
        throw content.unexpected("a string of one character")
      }
      return [
        .strip(
          content: try content.bytes(), start: try reader.member("start").count(),
          stop: try reader.member("stop").count())
      ]
    case "Sequence":
      var steps: [TokenDecoder.Step] = []
      for element in try reader.member("decoders").elements() { steps += try self.steps(element) }
      return steps
    default:
      throw reader.unsupported("decoder", type, supported: supported)
    }
  }
}
