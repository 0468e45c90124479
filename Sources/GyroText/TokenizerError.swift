/// Everything that can go wrong while a tokenizer is read, written or trained.
///
/// Each case carries what was expected and what came; ``description`` adds what to try.
public enum TokenizerError: Error, Equatable, Sendable {
  /// The file does not exist or cannot be read.
  case unreadableFile(path: String, reason: String)

  /// The file or directory cannot be written.
  case unwritableFile(path: String, reason: String)

  /// The text is not JSON; `line` and `column` count from one, `offset` counts bytes from zero.
  case invalidJSON(line: Int, column: Int, offset: Int, problem: String)

  /// A key that must be present is not.
  case missingKey(path: String)

  /// A value has another type or content than the one expected.
  case unexpectedValue(path: String, expected: String, found: String)

  /// A component (model type, pre-tokenizer, normalizer …) this package does not implement.
  case unsupported(component: String, name: String, path: String, supported: [String])

  /// A regular expression this package does not implement.
  case unsupportedPattern(pattern: String, path: String, supported: [String])

  /// A merge rule joins tokens of which one (or whose product) is not in the vocabulary.
  case unknownTokenInMerge(index: Int, token: String)

  /// A merge rule is not a pair of tokens.
  case malformedMerge(index: Int, found: String)

  /// A token named elsewhere in the file is not in the vocabulary.
  case unknownToken(token: String, path: String)

  /// A token's id is negative, fractional, or larger than the largest one accepted.
  case identifierOutOfRange(token: String, found: String, limit: Int)

  /// Two tokens have the same id.
  case duplicateIdentifier(identifier: Int, first: String, second: String)

  /// The same token is listed twice, with these two ids.
  case duplicateToken(token: String, first: Int, second: Int)

  /// The trainer was asked for fewer tokens than the byte alphabet and special tokens need.
  case vocabularyTooSmall(requested: Int, minimum: Int)
}

extension TokenizerError: CustomStringConvertible {
  /// One or two sentences: what was expected, what came, what to try.
  public var description: String {
    switch self {
    case .unreadableFile(let path, let reason):
      "Expected a readable tokenizer.json at \(path): \(reason). "
        + "Pass the file itself or the directory that holds it."
    case .unwritableFile(let path, let reason):
      "Cannot write the tokenizer to \(path): \(reason). "
        + "Check that the directory can be created and written."
    case .invalidJSON(let line, let column, let offset, let problem):
      "Expected JSON, but at line \(line), column \(column) (byte \(offset)): \(problem). "
        + "The file may be truncated, or a pointer to a file that was not downloaded."
    case .missingKey(let path):
      "Expected the key \(path), which is missing. "
        + "Check that this is a Hugging Face tokenizer.json, not another tokenizer file."
    case .unexpectedValue(let path, let expected, let found):
      "Expected \(expected) at \(path), found \(found). Correct the value or export the file again."
    case .unsupported(let component, let name, let path, let supported):
      "The \(component) \(quoted(name)) at \(path) is not supported; supported: "
        + "\(supported.joined(separator: ", ")). Export the tokenizer with one of these."
    case .unsupportedPattern(let pattern, let path, let supported):
      "The regular expression \(quoted(pattern)) at \(path) is not supported; supported: "
        + "\(supported.map(quoted).joined(separator: ", ")). Use a tokenizer with one of these."
    case .unknownTokenInMerge(let index, let token):
      "Merge \(index) needs the token \(quoted(token)), which is not in model.vocab. "
        + "Check that vocabulary and merges come from the same model."
    case .malformedMerge(let index, let found):
      "Expected merge \(index) to be [\"a\", \"b\"] or \"a b\", found \(found). "
        + "Write merges whose tokens contain spaces as pairs."
    case .unknownToken(let token, let path):
      "The token \(quoted(token)) named at \(path) is not in the vocabulary. "
        + "Add it to model.vocab or correct the name."
    case .identifierOutOfRange(let token, let found, let limit):
      "Expected the id of token \(quoted(token)) to be a whole number from 0 to \(limit), "
        + "found \(found). Number the vocabulary from 0."
    case .duplicateIdentifier(let identifier, let first, let second):
      "The id \(identifier) belongs to two tokens, \(quoted(first)) and \(quoted(second)). "
        + "Give each token its own id."
    case .duplicateToken(let token, let first, let second):
      "The token \(quoted(token)) is listed twice, with the ids \(first) and \(second). "
        + "Keep one of the two entries."
    case .vocabularyTooSmall(let requested, let minimum):
      "A byte-level vocabulary with these special tokens needs at least \(minimum) tokens, "
        + "\(requested) were asked for. Raise vocabularySize to \(minimum) or more."
    }
  }
}

/// `text` in quotes, with control characters escaped and a bounded length.
private func quoted(_ text: String) -> String {
  let shown = text.unicodeScalars.prefix(200).map { scalar in
    scalar.value < 0x20 ? scalar.escaped(asASCII: true) : String(Character(scalar))
  }
  return "\"" + shown.joined() + (text.unicodeScalars.count > 200 ? "…" : "") + "\""
}
