/// Names, classes and expressions that stand for layers.
struct TargetList {
  /// As the configuration has them.
  let texts: [String]
  private let names: Set<String>
  private let expressions: [TargetExpression]
  private let hasLinear: Bool

  /// How exactly a list names a layer: a name counts before an expression, and that before a class.
  enum Rank: Int, Comparable {
    case name, expression, kind

    static func < (a: Rank, b: Rank) -> Bool { a.rawValue < b.rawValue }
  }

  /// Steps that all expressions of one configuration may have.
  static let maximumSteps = 100_000

  /// - Parameter steps: counts the steps of all lists.
  /// - Throws: ``ExportError/unsupported(file:what:supported:)``.
  init(_ texts: [String], _ steps: inout Int) throws(ExportError) {
    self.texts = texts
    var names: Set<String> = []
    var expressions: [TargetExpression] = []
    for text in texts {
      guard text.hasPrefix("re:") else {
        names.insert(text)
        continue
      }
      let expression = try TargetExpression(String(text.dropFirst(3)))
      steps += expression.steps.count
      guard steps <= Self.maximumSteps else {
        throw .unsupported(
          file: "config.json", what: "so many expressions for layers",
          supported: "\(Self.maximumSteps) steps in all")
      }
      expressions.append(expression)
    }
    hasLinear = names.contains("Linear")
    self.names = names
    self.expressions = expressions
  }

  /// nil for a layer that the list does not cover.
  func rank(of module: String) -> Rank? {
    if names.contains(module) { return .name }
    if expressions.contains(where: { $0.matches(module) }) { return .expression }
    return hasLinear ? .kind : nil
  }
}
