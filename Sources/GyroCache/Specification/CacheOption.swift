/// One thing that can be said about a cache behind the colon of its name, e.g. `rows=256`.
public struct CacheOption: Sendable {
  /// What may stand behind the equals sign.
  public enum Kind: Sendable {
    /// A whole number of a range.
    case whole(ClosedRange<Int>)
    /// A number of a range, fractions allowed.
    case number(ClosedRange<Double>)
    case word([String])
    /// Four whole numbers separated by slashes.
    case four
    /// Nothing: to name the option is enough.
    case flag
  }

  public let name: String
  public let kind: Kind
  /// What holds when nothing is said; nil where that depends on the rest.
  public let usual: String?
  /// One line.
  public let help: String

  init(_ name: String, _ kind: Kind, usual: String? = nil, _ help: String) {
    self.name = name
    self.kind = kind
    self.usual = usual
    self.help = help
  }

  /// What is allowed, in words.
  var expected: String {
    switch kind {
    case .whole(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .word(let words): words.joined(separator: " or ")
    case .four: "four whole numbers such as 4/2/2/2"
    case .flag: "nothing behind its name"
    }
  }

  /// A value in the one way it is printed; nil when it is not allowed.
  func canonical(_ text: String) -> String? {
    switch kind {
    case .whole(let range):
      return Int(text).flatMap { range.contains($0) ? "\($0)" : nil }
    case .number(let range):
      guard let number = Double(text), range.contains(number) else { return nil }
      return number == number.rounded() ? "\(Int(number))" : "\(number)"
    case .word(let words): return words.contains(text) ? text : nil
    case .four:
      let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
      guard parts.count == 4, parts.allSatisfy({ $0 != nil }) else { return nil }
      return parts.map { "\($0!)" }.joined(separator: "/")
    case .flag: return text.isEmpty ? "" : nil
    }
  }
}
