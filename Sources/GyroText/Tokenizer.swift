public import Foundation

/// Text to ids and back, as a Hugging Face `tokenizer.json` with a byte-pair model describes it.
///
/// Ids equal those of the `tokenizers` library. A tokenizer is an immutable value: it can be used
/// from any number of threads at once.
public struct Tokenizer: Sendable {
  /// The text of the `tokenizer.json` this tokenizer was made from.
  package let json: [UInt8]
  /// The files beside it, by name.
  package let companions: [String: [UInt8]]
  let parts: TokenizerParts

  /// The largest id plus one; the number of rows an embedding needs.
  public let vocabularySize: Int

  /// The id that begins a text, when there is one.
  public let beginningOfText: Int32?

  /// The id that ends a text, when there is one.
  public let endOfText: Int32?

  static let fileName = "tokenizer.json"
  private static let companionNames = ["tokenizer_config.json", "special_tokens_map.json"]

  /// Reads `url`, a `tokenizer.json` or the directory that holds one.
  ///
  /// The ids of ``beginningOfText`` and ``endOfText`` come from `tokenizer_config.json` and
  /// `special_tokens_map.json` in the same directory; where both are missing or name neither,
  /// the usual names (such as `<s>` and `<|endoftext|>`) are sought among the added tokens.
  public init(contentsOf url: URL) throws(TokenizerError) {
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory)
    let file = exists && isDirectory.boolValue ? url.appendingPathComponent(Self.fileName) : url
    let json = try Self.read(file)
    var companions: [String: [UInt8]] = [:]
    for name in Self.companionNames {
      let companion = file.deletingLastPathComponent().appendingPathComponent(name)
      if FileManager.default.fileExists(atPath: companion.path) {
        companions[name] = try Self.read(companion)
      }
    }
    try self.init(json: json, companions: companions)
  }

  /// Makes a tokenizer from the text of a `tokenizer.json`.
  public init(json: some Sequence<UInt8>) throws(TokenizerError) {
    try self.init(json: Array(json), companions: [:])
  }

  package init(json: [UInt8], companions: [String: [UInt8]]) throws(TokenizerError) {
    let parts = try TokenizerFile.parts(of: json)
    let names = try SpecialTokenNames(
      Self.companionNames.compactMap { companions[$0] }, parts: parts)
    let largestAdded = parts.addedTokens.keys.max().map { Int($0) + 1 } ?? 0
    self.json = json
    self.companions = companions
    self.parts = parts
    let size = max(parts.model.vocabulary.endOfIdentifiers, largestAdded)
    // What is put around a text goes to the model like any token.
    for id in parts.postProcessor.prefix + parts.postProcessor.suffix where id >= size {
      throw .identifierOutOfRange(
        token: "in post_processor", found: "\(id)", limit: size - 1)
    }
    self.vocabularySize = size
    self.beginningOfText = names.beginningOfText
    self.endOfText = names.endOfText
  }

  /// The id of `token` in the spelling of the file (byte-level tokens in their alphabet).
  public func id(of token: String) -> Int32? {
    parts.identifier(of: Array(token.utf8))
  }

  /// The token with `id` in the spelling of the file, or nil when there is none.
  public func token(of id: Int32) -> String? {
    parts.spelling(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether `id` is an added token marked as special.
  public func isSpecial(_ id: Int32) -> Bool {
    parts.addedTokens[id]?.isSpecial ?? false
  }

  /// The text of `ids`. Ids without a token are passed over; bytes that are not text become
  /// U+FFFD.
  public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) -> String {
    let tokens = ids.compactMap {
      parts.decodingSpelling(of: $0, skipSpecialTokens: skipSpecialTokens)
    }
    return String(decoding: parts.decoder.text(of: tokens), as: UTF8.self)
  }

  /// A decoder that takes ids one by one, as they are generated.
  public func makeStreamDecoder(skipSpecialTokens: Bool = false) -> TokenStreamDecoder {
    TokenStreamDecoder(self, skipsSpecialTokens: skipSpecialTokens)
  }

  /// Writes `tokenizer.json` to `url`: to that file when its name ends in `.json`, otherwise to
  /// that directory (made when missing), together with the companion files that were read.
  public func write(to url: URL) throws(TokenizerError) {
    let isFile = url.pathExtension == "json"
    let directory = isFile ? url.deletingLastPathComponent() : url
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      let file = isFile ? url : url.appendingPathComponent(Self.fileName)
      try Data(json).write(to: file, options: .atomic)
      for (name, bytes) in companions where !isFile {
        try Data(bytes).write(to: directory.appendingPathComponent(name), options: .atomic)
      }
    } catch {
      throw .unwritableFile(path: url.path, reason: error.localizedDescription)
    }
  }

  private static func read(_ url: URL) throws(TokenizerError) -> [UInt8] {
    do {
      return Array(try Data(contentsOf: url))
    } catch {
      throw .unreadableFile(path: url.path, reason: error.localizedDescription)
    }
  }
}
