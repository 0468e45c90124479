import GyroModels
import GyroOptimization
import GyroTensors
import Testing

/// Update rules against plain loops in double precision, written from the papers' formulas.
@Suite struct RuleTrajectoryTests {
  static let count = 37, steps = 100

  /// A rule and the loop it must equal.
  struct Case: Sendable, CustomTestStringConvertible {
    let rule: any UpdateRule
    let reference: @Sendable ([Double], [[Double]], Double) -> [Double]
    var testDescription: String { rule.description }
  }

  static let cases: [Case] =
    [(0, false, 0), (0.9, false, 0), (0.9, true, 0), (0.9, false, 0.1), (0, false, 0.1)]
    .map { momentum, nesterov, decay in
      Case(rule: SGD(momentum: momentum, nesterov: nesterov, weightDecay: decay)) {
        sgd($0, $1, rate: $2, momentum: momentum, nesterov: nesterov, decay: decay)
      }
    }
    + [(0.9, 0.999, 1e-8, 0.0), (0.9, 0.999, 1e-8, 0.1), (0.5, 0.9, 1e-3, 0.01)]
    .map { beta1, beta2, epsilon, decay in
      Case(rule: AdamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay)) {
        adamW($0, $1, rate: $2, beta1: beta1, beta2: beta2, epsilon: epsilon, decay: decay)
      }
    }

  @Test("A hundred steps equal the double-precision loop", arguments: cases)
  func equalsReference(_ item: Case) throws {
    let (start, gradients) = Self.problem()
    let walked = try Self.walk(item.rule, start, gradients)
    let expected = item.reference(
      start.elements.map(Double.init), gradients.map { $0.elements.map(Double.init) }, 0.01)
    for (found, expected) in zip(walked.elements, expected) {
      #expect(abs(Double(found) - expected) <= 2e-5 * max(1, abs(expected)))
    }
  }

  @Test("No two rules walk the same way; momentum 0 is not 0.9, Nesterov is not Polyak")
  func rulesDiffer() throws {
    let (start, gradients) = Self.problem()
    let ends = try Self.cases.map { try Self.walk($0.rule, start, gradients).elements }
    for (index, a) in ends.enumerated() {
      for (other, b) in ends.enumerated() where other > index {
        let distance = zip(a, b).map { abs($0 - $1) }.max()!
        #expect(distance > 1e-3, "\(Self.cases[index].rule) and \(Self.cases[other].rule)")
      }
    }
  }

  @Test("A gradient scale equals scaled gradients", arguments: cases)
  func gradientScale(_ item: Case) throws {
    let (start, gradients) = Self.problem()
    // Powers of two scale without rounding, so the bits must agree.
    let scaled = gradients.map { Tensor($0.shape, elements: $0.elements.map { $0 * 0.25 }) }
    #expect(
      try Self.walk(item.rule, start, gradients, gradientScale: 0.25).elements
        == Self.walk(item.rule, start, scaled).elements)
  }

  @Test("State that left through an archive continues bit for bit", arguments: cases)
  func archive(_ item: Case) throws {
    let (start, gradients) = Self.problem()
    func continued<Rule: UpdateRule>(_ rule: Rule) throws -> [Float] {
      let parameter = Parameter(path: "w", shape: start.shape, kind: .linear)
      var point = start
      var state = rule.makeState(for: parameter)
      for (step, gradient) in gradients.enumerated() {
        if step == 40 { state = try Rule.State(state.archive, for: parameter) }
        rule.update(
          &point, gradient: gradient, gradientScale: 1, state: &state, rate: 0.01, of: parameter)
      }
      return point.elements
    }
    #expect(try continued(item.rule) == Self.walk(item.rule, start, gradients).elements)
  }

  // MARK: The problem and the plain loops

  static func problem() -> (start: Tensor, gradients: [Tensor]) {
    var random = RandomStream(seed: 11)
    let start = random.normal([count])
    return (start, (0..<steps).map { _ in random.normal([count], mean: 0.3) })
  }

  static func walk(
    _ rule: any UpdateRule, _ start: Tensor, _ gradients: [Tensor], gradientScale: Double = 1
  ) throws -> Tensor {
    var store = ParameterStore()
    store.declare("w", start, kind: .linear)
    var optimizer = try Optimizer([("*", rule)], for: store)
    for gradient in gradients {
      var all = Gradients()
      all["w"] = gradient
      try optimizer.step(&store, all, rate: 0.01, gradientScale: gradientScale)
    }
    #expect(optimizer.stepCount == gradients.count)
    return store["w"]
  }

  static func sgd(
    _ start: [Double], _ gradients: [[Double]], rate: Double, momentum: Double, nesterov: Bool,
    decay: Double
  ) -> [Double] {
    var point = start
    var velocity = [Double](repeating: 0, count: start.count)
    for gradient in gradients {
      for i in point.indices {
        let g = gradient[i] + decay * point[i]
        velocity[i] = momentum * velocity[i] + g
        point[i] -= rate * (nesterov ? g + momentum * velocity[i] : velocity[i])
      }
    }
    return point
  }

  static func adamW(
    _ start: [Double], _ gradients: [[Double]], rate: Double, beta1: Double, beta2: Double,
    epsilon: Double, decay: Double
  ) -> [Double] {
    var point = start
    var first = [Double](repeating: 0, count: start.count)
    var second = first
    var (power1, power2) = (1.0, 1.0)
    for gradient in gradients {
      power1 *= beta1
      power2 *= beta2
      for i in point.indices {
        first[i] = beta1 * first[i] + (1 - beta1) * gradient[i]
        second[i] = beta2 * second[i] + (1 - beta2) * gradient[i] * gradient[i]
        let (mean, square) = (first[i] / (1 - power1), second[i] / (1 - power2))
        point[i] -= rate * (mean / (square.squareRoot() + epsilon) + decay * point[i])
      }
    }
    return point
  }
}
