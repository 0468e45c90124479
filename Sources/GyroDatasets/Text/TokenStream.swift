public import Foundation
public import GyroText

/// A text as one row of token ids.
public struct TokenStream: Sendable {
  /// The ids.
  public let tokens: [Int32]

  /// A stream of given ids.
  public init(tokens: [Int32]) { self.tokens = tokens }

  /// Reads and encodes text files, one after the other.
  ///
  /// - Parameters:
  ///   - files: UTF-8 text.
  ///   - tokenizer: makes ids of text.
  ///   - addSpecialTokens: whether each file gets the special tokens the tokenizer puts around a
  ///     text.
  ///   - separator: an id put between files.
  /// - Throws: ``DatasetError`` for a file that cannot be read or is not UTF-8.
  public init(
    files: [URL], tokenizer: Tokenizer, addSpecialTokens: Bool = false, separator: Int32? = nil
  ) throws(DatasetError) {
    var tokens: [Int32] = []
    for (place, file) in files.enumerated() {
      if place > 0, let separator { tokens.append(separator) }
      tokens += tokenizer.encode(try TextFiles.read(file), addSpecialTokens: addSpecialTokens)
    }
    self.tokens = tokens
  }

  /// Makes sure that every id belongs to the vocabulary.
  ///
  /// - Throws: ``DatasetError/identifierOutOfRange(identifier:vocabularySize:)`` with the largest
  ///   id, or the smallest when that is negative.
  public func check(vocabularySize: Int) throws(DatasetError) {
    guard let largest = tokens.max(), let smallest = tokens.min() else { return }
    if largest >= vocabularySize {
      throw .identifierOutOfRange(identifier: largest, vocabularySize: vocabularySize)
    }
    if smallest < 0 {
      throw .identifierOutOfRange(identifier: smallest, vocabularySize: vocabularySize)
    }
  }

  /// Endless shuffled batches of windows for training.
  ///
  /// - Parameters:
  ///   - size: windows per batch.
  ///   - length: tokens per window; a window reaches one token further for its last target.
  ///   - seed: decides the order of windows.
  ///   - remainder: what becomes of the tokens after the last whole window: dropped, or kept in one
  ///     more window that ends with the text and overlaps the one before.
  /// - Throws: ``DatasetError/textTooShort(tokens:needed:)``.
  public func batches(
    size: Int, length: Int, seed: UInt64, remainder: Remainder = .dropped
  ) throws(DatasetError) -> ShuffledTokenBatches {
    try ShuffledTokenBatches(tokens, size: size, length: length, seed: seed, remainder: remainder)
  }

  /// Batches of windows in order, each token predicted once, for evaluation.
  ///
  /// - Parameters:
  ///   - size: windows per batch; the last batch may have fewer.
  ///   - length: tokens per window.
  ///   - remainder: what becomes of the tokens after the last whole window: dropped, or kept in a
  ///     batch of one shorter window.
  /// - Throws: ``DatasetError/textTooShort(tokens:needed:)``; with a remainder that is kept, only
  ///   when there are fewer than two tokens.
  public func sequentialBatches(
    size: Int, length: Int, remainder: Remainder = .kept
  ) throws(DatasetError) -> SequentialTokenBatches {
    try SequentialTokenBatches(tokens, size: size, length: length, remainder: remainder)
  }
}

/// What becomes of tokens that do not fill a window.
public enum Remainder: String, Sendable, Hashable, Codable {
  case dropped, kept
}

/// Windows of a text: `batch × length` ids, row-major, and for each the id that follows it.
public struct TokenBatch: Sendable, Equatable {
  public let inputs: [Int32]
  public let targets: [Int32]
  /// Number of windows.
  public let batch: Int
  /// Tokens per window.
  public let length: Int

  public init(inputs: [Int32], targets: [Int32], batch: Int, length: Int) {
    precondition(
      inputs.count == batch * length && targets.count == inputs.count,
      "TokenBatch: \(inputs.count) inputs and \(targets.count) targets do not make "
        + "\(batch)×\(length)")
    self.inputs = inputs
    self.targets = targets
    self.batch = batch
    self.length = length
  }

  /// The windows of `tokens` that begin at `starts`.
  init(_ tokens: [Int32], starts: [Int], length: Int) {
    self.init(
      inputs: starts.flatMap { tokens[$0..<$0 + length] },
      targets: starts.flatMap { tokens[$0 + 1..<$0 + 1 + length] },
      batch: starts.count, length: length)
  }
}
