import GyroText

extension FuzzTarget {
  private static let texts = [
    "", " The quick\tbrown fox's 1234\r\n\u{E9}e\u{301} \u{1F600}<s></s>", "a b  \u{2581}\u{FB03}",
  ]

  /// `tokenizer.json`; what is taken encodes and decodes.
  static let tokenizer = FuzzTarget(
    name: "tokenizer", shape: .json,
    seeds: {
      [
        ("byte-level", Array(byteLevel.utf8)), ("metaspace", Array(metaspace.utf8)),
        ("chat", Array(chat.utf8)),
      ]
    },
    read: { bytes, _ in
      let tokenizer = try Tokenizer(json: bytes)
      for text in texts {
        let ids = tokenizer.encode(text)
        precondition(
          ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize }, "tokenizer: id out of range")
        _ = tokenizer.decode(ids)
        var stream = tokenizer.makeStreamDecoder(skipSpecialTokens: true)
        for id in ids + [-1, Int32.max] { _ = stream.append(id) }
        _ = stream.finish()
      }
      _ = (tokenizer.id(of: "a"), tokenizer.token(of: -1), tokenizer.token(of: Int32.max))
    })

  private static let byteLevel = #"""
    {"version":"1.0","added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,
    "rstrip":false,"normalized":false,"special":true},{"id":9,"content":"fox","single_word":true,
    "lstrip":true,"rstrip":true,"normalized":true,"special":false}],"normalizer":{"type":"NFC"},
    "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,
    "use_regex":true},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":
    {"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":
    {"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}},"decoder":{"type":"ByteLevel"},"model":{"type":
    "BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
    "fuse_unk":false,"byte_fallback":false,"ignore_merges":true,"vocab":{"<s>":0,"Ġ":1,"a":2,"b":3,
    "e":4,"Ġa":5,"he":6,"h":7,"Ġb":8},"merges":["Ġ a",["h","e"],"Ġ b"]}}
    """#

  private static let metaspace = #"""
    {"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>",
    "special":true},{"id":2,"content":"</s>","special":true}],"normalizer":{"type":"Sequence",
    "normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},
    "content":"▁"},{"type":"Lowercase"},{"type":"NFKC"}]},"pre_tokenizer":null,"post_processor":
    {"type":"Sequence","processors":[{"type":"BertProcessing","sep":["</s>",2],"cls":["<s>",1]}]},
    "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":
    " "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,
    "stop":0}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,
    "vocab":{"<unk>":0,"<s>":1,"</s>":2,"<0x00>":3,"<0x20>":4,"<0xE9>":5,"▁":6,"t":7,"h":8,"e":9,
    "th":10,"▁the":11,"▁th":12},"merges":["t h","▁ th","▁th e"]}}
    """#

  private static let chat = #"""
    {"added_tokens":[],"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split",
    "pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    "behavior":"Isolated","invert":false},{"type":"Digits","individual_digits":true},{"type":"Split",
    "pattern":{"String":"ck"},"behavior":"MergedWithPrevious","invert":true},{"type":"Metaspace",
    "replacement":"▁","prepend_scheme":"first","split":true},{"type":"ByteLevel",
    "add_prefix_space":false,"use_regex":false}]},"decoder":{"type":"Metaspace","replacement":"▁",
    "add_prefix_space":true},"model":{"vocab":{"a":0,"b":1,"ab":2,"1":3,"2":4},"merges":["a b"]}}
    """#
}
