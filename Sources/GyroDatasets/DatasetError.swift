/// What can be wrong with data. Each case carries what was expected and what came;
/// ``description`` adds what to try.
public enum DatasetError: Error, Equatable, Sendable {
  /// The file does not exist, is a folder or cannot be read.
  case unreadableFile(path: String, reason: String)
  /// A pattern matches no file; `nearest` are files of the folder with similar names.
  case unmatchedPattern(pattern: String, folder: String, nearest: [String])
  /// The text is not UTF-8; `byte` counts from zero.
  case invalidUTF8(path: String, byte: Int)
  /// The text has fewer tokens than one window needs.
  case textTooShort(tokens: Int, needed: Int)
  /// A token id does not belong to the vocabulary.
  case identifierOutOfRange(identifier: Int32, vocabularySize: Int)
  /// An image or label file is not what its format asks for.
  case malformedFile(path: String, expected: String, found: String)
  /// Images and labels do not belong together.
  case countMismatch(images: Int, labels: Int)
}

extension DatasetError: CustomStringConvertible {
  /// One or two sentences: what was expected, what came, what to try.
  public var description: String {
    switch self {
    case .unreadableFile(let path, let reason):
      "Expected a readable file at \(path): \(reason). Check the path and its permissions."
    case .unmatchedPattern(let pattern, let folder, let nearest):
      "Expected '\(pattern)' to match a file, but it matches none in \(folder)"
        + (nearest.isEmpty ? "." : "; nearest: \(nearest.joined(separator: ", ")).")
        + " * stands for any characters and ? for one, within one folder."
    case .invalidUTF8(let path, let byte):
      "\(path): expected UTF-8 text, but byte \(byte) is not. Convert the file to UTF-8, "
        + "or check that it is text."
    case .textTooShort(let tokens, let needed):
      "Expected at least \(needed) tokens for one window, found \(tokens). "
        + "Use more text or a shorter window."
    case .identifierOutOfRange(let identifier, let vocabularySize):
      "Expected token ids from 0 to \(vocabularySize - 1), found \(identifier) for a vocabulary of "
        + "\(vocabularySize). Use the tokenizer that belongs to the model."
    case .malformedFile(let path, let expected, let found):
      "\(path): expected \(expected), found \(found). The download may be incomplete, or this is "
        + "another file than it should be."
    case .countMismatch(let images, let labels):
      "Expected one label for each of \(images) images, found \(labels) labels. "
        + "Use images and labels of the same set."
    }
  }
}
