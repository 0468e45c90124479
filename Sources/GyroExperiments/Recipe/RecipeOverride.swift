import Yams

/// A change to a recipe from the command line: `path.to.key=value`, the value written in YAML.
///
/// Lists take an index (`stages[1].train.steps`, or `stages.1.train.steps`) or a key, which means
/// every element that has it: `stages.train.steps=10` sets the steps of all training stages.
public struct RecipeOverride: Sendable, Equatable {
  /// The text as given.
  public let text: String
  let components: [String]
  let value: String

  /// Reads `path.to.key=value`.
  public init(_ text: String) throws(RecipeError) {
    guard let equals = text.firstIndex(of: "=") else {
      throw .badOverride(text: text, reason: "expected path.to.key=value")
    }
    let path = text[..<equals].replacing("[", with: ".").replacing("]", with: "")
    components = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard components.allSatisfy({ !$0.isEmpty }) else {
      throw .badOverride(text: text, reason: "'\(text[..<equals])' is not a path of keys")
    }
    value = String(text[text.index(after: equals)...])
    self.text = text
  }

  /// Puts the value into the tree and notes where in `applied`.
  func apply(to root: Node, noting applied: inout [String: String]) throws(RecipeError) -> Node {
    let replacement: Node
    do {
      guard let node = try Yams.compose(yaml: value) else {
        throw RecipeError.badOverride(text: text, reason: "nothing stands after the '='")
      }
      replacement = node
    } catch let error as RecipeError {
      throw error
    } catch {
      throw .badOverride(text: text, reason: "'\(value)' is not YAML")
    }
    return try set(replacement, at: components[...], in: root, path: "", &applied)
  }

  private func set(
    _ replacement: Node, at components: ArraySlice<String>, in node: Node?, path: String,
    _ applied: inout [String: String]
  ) throws(RecipeError) -> Node {
    guard let key = components.first else {
      applied[path] = text
      return replacement
    }
    let rest = components.dropFirst()
    switch node {
    case nil:
      applied[path] = text
      let inner = try set(replacement, at: rest, in: nil, path: join(path, key), &applied)
      return Node([(Node(key), inner)])
    case .mapping(var mapping):
      let old = mapping[key]
      mapping[Node(key)] = try set(replacement, at: rest, in: old, path: join(path, key), &applied)
      return .mapping(mapping)
    case .sequence(var sequence):
      for index in try places(of: key, in: sequence, path) {
        // A name selects inside the element; an index selects the element itself.
        let next = Int(key) == nil ? components : rest
        sequence[index] = try set(
          replacement, at: next, in: sequence[index], path: "\(path)[\(index)]", &applied)
      }
      return .sequence(sequence)
    case .scalar?, .alias?:
      throw .badOverride(
        text: text,
        reason: "\(path.isEmpty ? "the recipe" : path) is \(RecipeReader.summary(node!)), "
          + "so it has no key '\(key)'")
    }
  }

  private func places(of key: String, in sequence: Node.Sequence, _ path: String)
    throws(RecipeError) -> [Int]
  {
    if let index = Int(key) {
      guard sequence.indices.contains(index) else {
        throw .badOverride(
          text: text, reason: "\(path) has \(sequence.count) elements, so there is no [\(index)]")
      }
      return [index]
    }
    let found = sequence.indices.filter { sequence[$0].mapping?[key] != nil }
    if found.isEmpty {
      throw .badOverride(text: text, reason: "no element of \(path) has the key '\(key)'")
    }
    return found
  }

  private func join(_ path: String, _ key: String) -> String {
    path.isEmpty ? key : path + "." + key
  }
}
