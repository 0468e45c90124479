/// The three names most like `name`: those that share the longest beginning and end with it.
/// - Parameter sharing: the bytes of beginning and end that a name has to share at least.
package func nearestNames(
  to name: String, among names: some Sequence<String>, sharing least: Int = 0
) -> [String] {
  let scored = names.map { other in
    let prefix = zip(name.utf8, other.utf8).prefix { $0 == $1 }.count
    let suffix = zip(name.utf8.reversed(), other.utf8.reversed()).prefix { $0 == $1 }.count
    return (score: prefix + suffix, name: other)
  }
  return scored.filter { $0.score >= least }
    .sorted { $0.score != $1.score ? $0.score > $1.score : $0.name < $1.name }
    .prefix(3).map(\.name)
}
