/// Where in a recipe something is: the file and line, or the `--set` that put it there, and the
/// path of keys that leads to it.
public struct RecipePlace: Sendable, Equatable, CustomStringConvertible {
  /// What the reader was looking at.
  public enum Source: Sendable, Equatable {
    case file(String, line: Int?)
    case override(String)
  }
  public let source: Source
  /// Keys joined by dots, list indices in brackets: `stages[1].train.steps`. Empty at the top.
  public let keyPath: String

  public init(source: Source, keyPath: String) {
    self.source = source
    self.keyPath = keyPath
  }

  public var description: String {
    switch source {
    case .file(let name, let line?): "\(name), line \(line)"
    case .file(let name, nil): name
    case .override(let text): "--set \(text)"
    }
  }

  /// ` in stages[1].train`, or nothing at the top.
  var inside: String { keyPath.isEmpty ? "" : " in \(keyPath)" }
}

/// What is wrong with a recipe. The text says where, what was expected, what came and what to try.
public enum RecipeError: Error, Sendable, Equatable {
  /// The file cannot be read.
  case unreadable(file: String, reason: String)
  /// The text is not YAML.
  case syntax(file: String, line: Int?, problem: String)
  /// A key this version does not know.
  case unknownKey(RecipePlace, key: String, known: [String])
  /// A key that must be there is not.
  case missingKey(RecipePlace, key: String)
  /// A key stands twice in one mapping.
  case duplicateKey(RecipePlace, key: String)
  /// A value of another type than expected.
  case wrongType(RecipePlace, expected: String, got: String)
  /// A value of the right type that cannot be used.
  case outOfRange(RecipePlace, expected: String, got: String)
  /// A name that is none of those known.
  case unknownName(RecipePlace, what: String, got: String, known: [String])
  /// Values that do not go together.
  case conflict(RecipePlace, reason: String)
  /// A file or folder a recipe names does not exist, or a pattern matches nothing.
  case missingFile(RecipePlace, path: String, reason: String)
  /// A `--set` that cannot be applied.
  case badOverride(text: String, reason: String)
}

extension RecipeError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "cannot read the recipe \(file): \(reason)"
    case .syntax(let file, let line, let problem):
      "\(file)\(line.map { ", line \($0)" } ?? ""): this is not YAML: \(problem)"
    case .unknownKey(let place, let key, let known):
      "\(place): unknown key '\(key)'\(place.inside)\(Self.suggestion(key, known)) "
        + "Known keys: \(known.joined(separator: ", "))"
    case .missingKey(let place, let key):
      "\(place): the key '\(key)' is missing\(place.inside)"
    case .duplicateKey(let place, let key):
      "\(place): the key '\(key)' stands twice\(place.inside); keep one of them"
    case .wrongType(let place, let expected, let got),
      .outOfRange(let place, let expected, let got):
      "\(place): \(place.keyPath.isEmpty ? "the recipe" : place.keyPath) should be \(expected), "
        + "got \(got)"
    case .unknownName(let place, let what, let got, let known):
      "\(place): unknown \(what) '\(got)' in \(place.keyPath)\(Self.suggestion(got, known)) "
        + "Known: \(known.joined(separator: ", "))"
    case .conflict(let place, let reason):
      "\(place): \(place.keyPath.isEmpty ? "" : place.keyPath + ": ")\(reason)"
    case .missingFile(let place, let path, let reason):
      "\(place): \(place.keyPath): \(reason): \(path)"
    case .badOverride(let text, let reason):
      "--set \(text): \(reason)"
    }
  }

  private static func suggestion(_ name: String, _ known: [String]) -> String {
    NearestName.to(name, among: known).map { "; did you mean '\($0)'?" } ?? "."
  }
}

/// Finds the name a misspelt one was meant to be.
enum NearestName {
  /// The closest of `known`, or nil when none is close: at most two edits, or a third of the
  /// letters of a long name.
  static func to(_ name: String, among known: [String]) -> String? {
    let wanted = Array(name.lowercased())
    let limit = max(2, wanted.count / 3)
    let ranked = known.map { ($0, distance(wanted, Array($0.lowercased()))) }
      .filter { $0.1 <= limit && $0.1 < max(wanted.count, 2) }
    return ranked.min { $0.1 < $1.1 }?.0
  }

  /// Edits that turn one word into the other: insertions, deletions, replacements and swaps of
  /// neighbors (optimal string alignment).
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var before = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var best = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          best = min(best, before[j - 1] + 1)
        }
        row.append(best)
      }
      (before, last) = (last, row)
    }
    return last[b.count]
  }
}
