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
      let (name, number) = decision.path.splitAtLayer
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
      (ParameterPath.joined(line.name, line.numbers), line.text)
    }
    let width = named.map(\.0.count).max() ?? 0
    return named.map { name, text in
      name + String(repeating: " ", count: width - name.count + 2) + text
    }.joined(separator: "\n")
  }
}

/// Runs of layers that differ only in their number.
extension ParameterPath {
  /// The name with its first number replaced by `#`, and the number.
  package var splitAtLayer: (name: String, number: Int?) {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = parts.firstIndex(where: { Int($0) != nil }), let number = Int(parts[place])
    else { return (name, nil) }
    parts[place] = "#"
    return (parts.joined(separator: "."), number)
  }

  /// A name that `splitAtLayer` gave with the numbers it came with: `model.layers.{0…7}.mlp`.
  package static func joined(_ name: String, _ numbers: [Int]) -> String {
    guard let first = numbers.first, let last = numbers.last else { return name }
    let isRun = numbers == Array(first...max(first, last))
    return name.replacing(
      "#",
      with: numbers.count == 1
        ? "\(first)"
        : isRun
          ? "{\(first)…\(last)}" : "{" + numbers.map { "\($0)" }.joined(separator: ",") + "}")
  }
}
