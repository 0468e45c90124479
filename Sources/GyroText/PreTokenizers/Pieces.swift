/// A text on its way from one string to the words the model sees: bytes, and the ranges of them
/// that are words so far. Ranges are in order and never empty.
struct Pieces {
  var bytes: [UInt8]
  var ranges: [Range<Int>]
  /// Whether the first piece begins where the whole text begins.
  var startsText: Bool

  /// All of `bytes` as one piece.
  init(_ bytes: [UInt8], startsText: Bool) {
    self.init(bytes, 0..<bytes.count, startsText: startsText)
  }

  /// A part of `bytes` as one piece.
  init(_ bytes: [UInt8], _ range: Range<Int>, startsText: Bool) {
    self.bytes = bytes
    self.ranges = range.isEmpty ? [] : [range]
    self.startsText = startsText
  }

  /// Replaces each piece by the pieces that end where `ends` says.
  ///
  /// `end(text, start, limit)` gives the end of the piece that begins at `start`.
  mutating func split(_ end: (UTF8Text, Int, Int) -> Int) {
    let old = ranges
    ranges = UTF8Text.with(bytes) { text in
      var result: [Range<Int>] = []
      result.reserveCapacity(max(old.count, bytes.count / 4))
      for range in old {
        var start = range.lowerBound
        while start < range.upperBound {
          let next = end(text, start, range.upperBound)
          result.append(start..<next)
          start = next
        }
      }
      return result
    }
  }

  /// Rewrites the bytes of each piece; `rewrite` sees the piece and whether it starts the text,
  /// and appends to the new bytes.
  mutating func rewrite(_ rewrite: (ArraySlice<UInt8>, Bool, inout [UInt8]) -> Void) {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + ranges.count)
    for (index, range) in ranges.enumerated() {
      let start = output.count
      rewrite(bytes[range], index == 0 && startsText, &output)
      ranges[index] = start..<output.count
    }
    bytes = output
    ranges.removeAll { $0.isEmpty }
  }
}
