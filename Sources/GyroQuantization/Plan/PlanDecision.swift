public import GyroModels
public import GyroTensors

extension QuantizationPlan {
  /// What happens to one weight or site.
  public struct Decision: Sendable, Equatable {
    /// The weight's or site's path.
    public let path: ParameterPath
    /// Extents of a weight; nil for a site.
    public let shape: Shape?
    /// The rule applied, or nil when it stays float.
    public let rule: QuantizationRule?
    /// Why it stays float; empty when it does not.
    public let reason: String
  }

  /// All decisions as a table for the terminal; runs of layers that differ only in their number are
  /// one line, `model.layers.{0…7}.mlp.up_proj.weight`.
  public var table: String {
    var lines: [(name: String, numbers: [Int], text: String)] = []
    var places: [String: Int] = [:]
    for decision in decisions {
      let (name, number) = Self.split(decision.path.name)
      let text = decision.rule?.summary ?? "float: \(decision.reason)"
      let extents = decision.shape.map { "  \($0)" } ?? ""
      let key = name + extents + "\n" + text
      if let place = places[key], let number {
        lines[place].numbers.append(number)
      } else {
        places[key] = lines.count
        lines.append((name + extents, number.map { [$0] } ?? [], text))
      }
    }
    let named = lines.map { line in
      (line.name.replacing("#", with: Self.text(line.numbers)), line.text)
    }
    let width = named.map(\.0.count).max() ?? 0
    return named.map { name, text in
      name + String(repeating: " ", count: width - name.count + 2) + text
    }.joined(separator: "\n")
  }

  /// A path with its first number replaced by `#`, and the number.
  private static func split(_ name: String) -> (String, Int?) {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = parts.firstIndex(where: { Int($0) != nil }), let number = Int(parts[place])
    else { return (name, nil) }
    parts[place] = "#"
    return (parts.joined(separator: "."), number)
  }

  private static func text(_ numbers: [Int]) -> String {
    guard let first = numbers.first, let last = numbers.last, numbers.count > 1 else {
      return numbers.first.map { "\($0)" } ?? ""
    }
    return numbers == Array(first...last)
      ? "{\(first)…\(last)}" : "{" + numbers.map { "\($0)" }.joined(separator: ",") + "}"
  }
}
