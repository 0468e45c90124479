import Foundation
import Gyro
import Testing

/// What loops in the guides work on: a tiny model that never saw its little book.
enum LoopFixture {
  /// A folder to remove afterwards, with the book and the model's folder in it.
  static func make() throws -> (folder: URL, book: URL, model: URL) {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("gyro-custom-loop-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "again"]
    var random = RandomStream(seed: 2)
    let text = (0..<6000).map { _ in words[random.integer(below: 10)] }.joined(separator: " ")
    let book = folder.appendingPathComponent("book.txt")
    try text.write(to: book, atomically: true, encoding: .utf8)
    let tokenizer = try ByteLevelBPETrainer(vocabularySize: 280).train(on: [text])
    let (model, parameters) = Llama.initialized(
      LlamaConfiguration(
        vocabulary: tokenizer.vocabularySize, hidden: 32, feedForward: 48, layers: 2, heads: 2,
        context: 128), seed: 1)
    let source = folder.appendingPathComponent("float")
    try LanguageModel(model: model, parameters: parameters, tokenizer: tokenizer).write(to: source)
    return (folder, book, source)
  }

  /// The lines of a file between two marks, without indentation and empty lines.
  static func lines(of file: URL, from begin: String, to end: String) throws -> [String] {
    let text = try String(contentsOf: file, encoding: .utf8)
    let start = try #require(text.range(of: begin)).upperBound
    let stop = try #require(text.range(of: end, range: start..<text.endIndex)).lowerBound
    return text[start..<stop].split(separator: "\n").map {
      $0.trimmingCharacters(in: .whitespaces)
    }.filter { !$0.isEmpty }
  }
}
