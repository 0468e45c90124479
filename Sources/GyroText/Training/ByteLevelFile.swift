/// The `tokenizer.json` of a byte-level vocabulary.
struct ByteLevelFile {
  var spellings: [[UInt8]]
  var merges: [(left: Int32, right: Int32)]
  /// How many of the first spellings are special tokens.
  var specialTokenCount: Int

  /// The file's content.
  var value: JSONValue {
    .object([
      JSONMember("version", .text("1.0")),
      JSONMember("truncation", .null),
      JSONMember("padding", .null),
      JSONMember("added_tokens", .array((0..<specialTokenCount).map(addedToken))),
      JSONMember("normalizer", .null),
      JSONMember("pre_tokenizer", Self.byteLevel),
      JSONMember("post_processor", Self.byteLevel),
      JSONMember("decoder", Self.byteLevel),
      JSONMember("model", model),
    ])
  }

  private static let byteLevel = JSONValue.object([
    JSONMember("type", .text("ByteLevel")),
    JSONMember("add_prefix_space", .boolean(false)),
    JSONMember("trim_offsets", .boolean(true)),
    JSONMember("use_regex", .boolean(true)),
  ])

  private func addedToken(_ identifier: Int) -> JSONValue {
    .object([
      JSONMember("id", .integer(identifier)),
      JSONMember("content", .string(spellings[identifier])),
      JSONMember("single_word", .boolean(false)),
      JSONMember("lstrip", .boolean(false)),
      JSONMember("rstrip", .boolean(false)),
      JSONMember("normalized", .boolean(false)),
      JSONMember("special", .boolean(true)),
    ])
  }

  private var model: JSONValue {
    let vocabulary = spellings.enumerated().map { identifier, spelling in
      JSONMember(spelling, .integer(identifier))
    }
    let pairs = merges.map { merge in
      JSONValue.array([
        .string(spellings[Int(merge.left)]), .string(spellings[Int(merge.right)]),
      ])
    }
    return .object([
      JSONMember("type", .text("BPE")),
      JSONMember("dropout", .null),
      JSONMember("unk_token", .null),
      JSONMember("continuing_subword_prefix", .null),
      JSONMember("end_of_word_suffix", .null),
      JSONMember("fuse_unk", .boolean(false)),
      JSONMember("byte_fallback", .boolean(false)),
      JSONMember("ignore_merges", .boolean(false)),
      JSONMember("vocab", .object(vocabulary)),
      JSONMember("merges", .array(pairs)),
    ])
  }
}
