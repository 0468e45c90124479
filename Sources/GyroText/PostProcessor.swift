/// The special tokens put around an encoded text.
struct PostProcessor: Sendable {
  var prefix: [Int32] = []
  var suffix: [Int32] = []

  /// Whether nothing is put around the text.
  var isEmpty: Bool { prefix.isEmpty && suffix.isEmpty }
}
