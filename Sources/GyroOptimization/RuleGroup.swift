import GyroModels
import GyroTensors

/// A group at work: a rule and the states of its parameters. The protocol hides the rule's type, so
/// that one optimizer holds several, and states stay unboxed and are changed in place.
protocol RuleGroup: Sendable, CustomStringConvertible {
  mutating func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, rate: Double,
    of parameter: Parameter)
  /// The state of a parameter, if it has one yet.
  func archive(of path: ParameterPath) -> StateArchive?
  mutating func restore(_ archive: StateArchive, of parameter: Parameter) throws(OptimizerError)
  mutating func forgetAll()
}

struct TypedRuleGroup<Rule: UpdateRule>: RuleGroup {
  let rule: Rule
  let label: String
  let rateFactor: Double
  var states: [ParameterPath: Rule.State] = [:]

  init(_ rule: Rule, label: String, rateFactor: Double) {
    self.rule = rule
    self.label = label
    self.rateFactor = rateFactor
  }

  mutating func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, rate: Double,
    of parameter: Parameter
  ) {
    let path = parameter.path
    if states[path] == nil { states[path] = rule.makeState(for: parameter) }
    rule.update(
      &point, gradient: gradient, gradientScale: gradientScale, state: &states[path]!,
      rate: rate * rateFactor, of: parameter)
  }

  func archive(of path: ParameterPath) -> StateArchive? { states[path]?.archive }

  mutating func restore(
    _ archive: StateArchive, of parameter: Parameter
  ) throws(OptimizerError) {
    states[parameter.path] = try Rule.State(archive, for: parameter)
  }

  mutating func forgetAll() { states = [:] }

  var description: String {
    "\(label): \(rule)" + (rateFactor == 1 ? "" : " × \(rateFactor)")
  }
}

extension ParameterGroup {
  /// This group without members' states yet.
  var atWork: any RuleGroup {
    var label = pattern.pattern
    if let kinds { label += " (" + kinds.map(\.rawValue).sorted().joined(separator: ", ") + ")" }
    func typed<Rule: UpdateRule>(_ rule: Rule) -> any RuleGroup {
      TypedRuleGroup(rule, label: label, rateFactor: rateFactor)
    }
    return typed(rule)
  }
}
