import GyroManifolds
import GyroModels
import GyroOptimization
import GyroTensors
import TestSupport
import Testing

/// The rules for rotations against plain loops in double precision.
@Suite struct CayleyRuleTests {
  static let steps = 30

  /// A rule, the shape it moves, and the rate.
  struct Case: Sendable, CustomTestStringConvertible {
    let rule: any UpdateRule
    let shape: Shape
    let rate: Double
    var testDescription: String { "\(rule) on \(shape) at \(rate)" }
  }

  static let rules: [(any UpdateRule, Double)] = [
    (CayleySGD(), 0.02), (CayleySGD(momentum: 0.9), 0.02),
    (CayleySGD(momentum: 0.9, clamp: nil), 0.02),
    (CayleySGD(clamp: 0.1), 1.5), (CayleyAdam(), 0.01),
    (CayleyAdam(beta1: 0.5, beta2: 0.9, epsilon: 1e-2, clamp: 0.05), 0.01),
  ]
  static let cases: [Case] = [Shape([24, 24]), [5, 12], [9, 12], [2, 8, 8], [2, 3, 8]].flatMap {
    shape in
    rules.map { Case(rule: $0.0, shape: shape, rate: $0.1) }
  }

  static func problem(_ shape: Shape) throws -> (start: Tensor, gradients: [Tensor]) {
    var random = RandomStream(seed: 11)
    let start = try Stiefel().projected(random.normal(shape))
    return (start, (0..<steps).map { _ in random.normal(shape) })
  }

  static func walk(
    _ rule: any UpdateRule, _ start: Tensor, _ gradients: [Tensor], rate: Double,
    gradientScale: Double = 1
  ) throws -> Tensor {
    var store = ParameterStore()
    store.declare("r", start, kind: .linear)
    var optimizer = try Optimizer([("*", rule)], for: store)
    for gradient in gradients {
      var all = Gradients()
      all["r"] = gradient
      try optimizer.step(&store, all, rate: rate, gradientScale: gradientScale)
    }
    return store["r"]
  }

  @Test("Thirty steps equal the double-precision loop, and end on the manifold", arguments: cases)
  func equalsReference(_ item: Case) throws {
    let (start, gradients) = try Self.problem(item.shape)
    let walked = try Self.walk(item.rule, start, gradients, rate: item.rate)
    let expected = try CayleyReference.walk(item.rule, start, gradients, rate: item.rate)
    expectClose(walked, expected, relative: 0, absolute: 3e-5)
    #expect(OrthogonalityReport(of: walked).largest < 2e-6)
    #expect(zip(walked.elements, start.elements).map { abs($0 - $1) }.max()! > 1e-2)
  }

  @Test("No two rules walk the same way; momentum 0 is not 0.9")
  func rulesDiffer() throws {
    let (start, gradients) = try Self.problem([24, 24])
    let ends = try Self.rules.map { try Self.walk($0.0, start, gradients, rate: 0.011).elements }
    for (index, a) in ends.enumerated() {
      for (other, b) in ends.enumerated() where other > index {
        // Where a clamp is not reached, it makes no difference.
        if index == 1 && other == 2 { continue }
        let distance = zip(a, b).map { abs($0 - $1) }.max()!
        #expect(distance > 1e-5, "\(Self.rules[index].0) and \(Self.rules[other].0)")
      }
    }
  }

  @Test(
    "Steps that reach no clamp are the published ones; at the clamp and with momentum they differ")
  func againstPublished() throws {
    let (start, gradients) = try Self.problem([24, 24])
    let seed = try #require(
      (UInt64(0)..<100).first { seed in
        !(0..<Self.steps).contains {
          CayleySGD.publishedFactorizes("r", step: $0, seed: seed)
        }
      })
    func distance(_ rule: CayleySGD, rate: Double) throws -> Float {
      let published = try Self.walk(CayleySGD.published(seed: seed), start, gradients, rate: rate)
      let found = try Self.walk(rule, start, gradients, rate: rate)
      return zip(found.elements, published.elements).map { abs($0 - $1) }.max()!
    }
    #expect(try distance(CayleySGD(), rate: 0.01) < 5e-6)
    #expect(try distance(CayleySGD(momentum: 0.9), rate: 0.01) > 0.1)
    #expect(try distance(CayleySGD(), rate: 1.5) > 0.1)
    #expect(try distance(CayleySGD(clamp: 1), rate: 1.5) > 1e-4)
  }

  @Test("A gradient scale equals scaled gradients", arguments: cases)
  func gradientScale(_ item: Case) throws {
    let (start, gradients) = try Self.problem(item.shape)
    let found = try Self.walk(item.rule, start, gradients, rate: item.rate, gradientScale: 0.25)
    // A power of two, so the bits must agree.
    expectSameBits(
      found, try Self.walk(item.rule, start, gradients.map { $0 * 0.25 }, rate: item.rate))
  }

  @Test("State that left through an archive continues bit for bit", arguments: cases)
  func archive(_ item: Case) throws {
    let (start, gradients) = try Self.problem(item.shape)
    func continued<Rule: UpdateRule>(_ rule: Rule) throws -> Tensor {
      let parameter = Parameter(path: "r", shape: start.shape, kind: .linear)
      var point = start
      var state = rule.makeState(for: parameter)
      for (step, gradient) in gradients.enumerated() {
        if step == 13 { state = try Rule.State(state.archive, for: parameter) }
        rule.update(
          &point, gradient: gradient, gradientScale: 1, state: &state, rate: item.rate,
          of: parameter)
      }
      return point
    }
    expectSameBits(
      try continued(item.rule), try Self.walk(item.rule, start, gradients, rate: item.rate))
  }

  @Test("The momentum is tangent at every point: skew-symmetric to the last bit, or to rounding")
  func momentum() throws {
    let rule = CayleySGD(momentum: 0.9)
    for shape: Shape in [[24, 24], [5, 12]] {
      let (start, gradients) = try Self.problem(shape)
      let parameter = Parameter(path: "r", shape: shape, kind: .linear)
      var (point, state) = (start, rule.makeState(for: parameter))
      for gradient in gradients {
        rule.update(
          &point, gradient: gradient, gradientScale: 1, state: &state, rate: 0.02, of: parameter)
        let velocity = try #require(state.velocity)
        if shape[0] == shape[1] {
          expectSame(velocity.elements, (velocity.transposed().contiguous() * -1).elements)
        } else {
          let product = Matrix64(velocity).matmul(Matrix64(point), transposingOther: true)
          let size = Matrix64(velocity).largestMagnitude
          #expect((product + product.transposed()).largestMagnitude < 2e-6 * size)
        }
      }
    }
  }

  @Test("Adam's moments are skew-symmetric and symmetric to the last bit")
  func moments() throws {
    let rule = CayleyAdam()
    let (start, gradients) = try Self.problem([24, 24])
    let parameter = Parameter(path: "r", shape: start.shape, kind: .linear)
    var (point, state) = (start, rule.makeState(for: parameter))
    for gradient in gradients {
      rule.update(
        &point, gradient: gradient, gradientScale: 1, state: &state, rate: 0.01, of: parameter)
    }
    expectSame(state.first.elements, (state.first.transposed().contiguous() * -1).elements)
    expectSameBits(state.second, state.second.transposed().contiguous())
  }

  @Test(
    "Both rules find the rotation nearest to a matrix", arguments: [Shape([12, 12]), [4, 10]])
  func learning(_ shape: Shape) throws {
    // −⟨X, T⟩ is least at the polar factor of T.
    var random = RandomStream(seed: 5)
    let target = random.normal(shape)
    let best = try Stiefel().projected(target)
    // Started in the same component of the orthogonal group.
    let start = try Stiefel().projected(best + random.normal(shape, standardDeviation: 0.1))
    let plain = try Self.walk(
      CayleySGD(momentum: 0.5), start, .init(repeating: target * -1, count: 400), rate: 0.1)
    expectClose(plain, best, relative: 0, absolute: 1e-3)
    let adaptive = try Self.walk(
      CayleyAdam(), start, .init(repeating: target * -1, count: 600), rate: 0.002)
    expectClose(adaptive, best, relative: 0, absolute: 0.02)
  }

  @Test("A state that does not fit is refused; a gradient of zero moves nothing")
  func misfits() throws {
    let parameter = Parameter(path: "r", shape: [3, 5], kind: .linear)
    let wrong = StateArchive(
      tensors: ["first": .ones([3, 5]), "second": .ones([5, 5])], counts: ["step": 1])
    let error = #expect(throws: OptimizerError.self) {
      try CayleyAdam.State(wrong, for: parameter)
    }
    #expect(
      error?.description == "the optimizer state of r cannot be restored: "
        + "the tensor 'first' has shape [3, 5], the parameter [5, 5]")
    #expect(throws: OptimizerError.self) {
      try CayleySGD.State(StateArchive(tensors: ["velocity": .ones([3, 5])]), for: parameter)
    }
    let start = try Stiefel().projected(Self.problem([6, 6]).start)
    for rule in [CayleySGD(), CayleyAdam()] as [any UpdateRule] {
      expectSameBits(try Self.walk(rule, start, [.zeros([6, 6])], rate: 1), start)
    }
  }

  @Test("Descriptions tell rules apart")
  func descriptions() {
    #expect(CayleySGD().description == "cayley-sgd(momentum 0.0, clamp 0.5)")
    #expect(CayleySGD(clamp: nil).description == "cayley-sgd(momentum 0.0, clamp none)")
    #expect(CayleySGD.published(seed: 3).description == "cayley-sgd(published, seed 3)")
    #expect(
      CayleyAdam().description
        == "cayley-adam(beta1 0.9, beta2 0.999, epsilon 1e-08, clamp 0.5)")
  }

  @Test("Learned rotations are brought back to rounding; one that is none is refused")
  func projection() throws {
    var random = RandomStream(seed: 6)
    var store = ParameterStore()
    let start = try Stiefel().projected(random.normal([2, 8, 8]))
    store.declare("r", start + random.normal([2, 8, 8], standardDeviation: 1e-4), kind: .linear)
    store.declare("other", random.normal([8, 8]), kind: .linear)
    let before = store
    let reports = try store.projectOnRotations(["r"])
    #expect(reports["r"]!.largest > 1e-5 && reports["r"]!.largest < 1e-2)
    #expect(store.orthogonality(of: ["r"])["r"]!.largest < 1e-6)
    let error = #expect(throws: OrthogonalityError.self) {
      try store.projectOnRotations(["r", "other"])
    }
    #expect(
      error?.description.hasPrefix("the rotation other is not orthogonal any more (max|RRᵀ")
        == true)
    #expect(store["other"].elements == before["other"].elements)
  }
}
