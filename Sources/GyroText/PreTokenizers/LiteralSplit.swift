/// Splits at each occurrence of a fixed string.
struct LiteralSplit: Sendable {
  /// What becomes of the occurrences.
  enum Behavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  var pattern: [UInt8]
  var behavior: Behavior
  /// Whether occurrences and what lies between them change roles.
  var isInverted: Bool

  func apply(to pieces: inout Pieces) {
    let bytes = pieces.bytes
    pieces.ranges = pieces.ranges.flatMap { parts(of: bytes, in: $0) }
  }

  private func parts(of bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var previousWasMatch = false
    for (part, isMatch) in segments(of: bytes, in: range) {
      switch behavior {
      case .removed:
        if !isMatch { result.append(part) }
      case .isolated:
        result.append(part)
      case .mergedWithPrevious where isMatch && !previousWasMatch && !result.isEmpty,
        .mergedWithNext where !isMatch && previousWasMatch,
        .contiguous where isMatch == previousWasMatch && !result.isEmpty:
        result.append(result.removeLast().lowerBound..<part.upperBound)
      case .mergedWithPrevious, .mergedWithNext, .contiguous:
        result.append(part)
      }
      previousWasMatch = isMatch
    }
    return result
  }

  private func segments(of bytes: [UInt8], in range: Range<Int>) -> [(Range<Int>, Bool)] {
    var result: [(Range<Int>, Bool)] = []
    var start = range.lowerBound
    while let match = bytes[start..<range.upperBound].firstRange(ofBytes: pattern) {
      if start < match.lowerBound { result.append((start..<match.lowerBound, isInverted)) }
      result.append((match, !isInverted))
      start = match.upperBound
    }
    if start < range.upperBound { result.append((start..<range.upperBound, isInverted)) }
    return result
  }
}

extension Collection<UInt8> where Index == Int {
  /// Where `pattern` first occurs; an empty pattern occurs nowhere.
  func firstRange(ofBytes pattern: [UInt8]) -> Range<Int>? {
    guard let first = pattern.first else { return nil }
    var start = startIndex
    while start <= endIndex - pattern.count {
      if self[start] == first, self[start..<start + pattern.count].elementsEqual(pattern) {
        return start..<start + pattern.count
      }
      start += 1
    }
    return nil
  }

  /// The bytes with each occurrence of `pattern` replaced by `content`.
  func replacing(bytes pattern: [UInt8], with content: [UInt8]) -> [UInt8] {
    guard let first = pattern.first else { return Array(self) }
    var result: [UInt8] = []
    result.reserveCapacity(count + count / 4)
    var position = startIndex
    while position < endIndex {
      let end = position + pattern.count
      if self[position] == first, end <= endIndex, self[position..<end].elementsEqual(pattern) {
        result.append(contentsOf: content)
        position = end
      } else {
        result.append(self[position])
        position += 1
      }
    }
    return result
  }
}
