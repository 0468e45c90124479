import GyroAutodiff
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroRotation

@Suite("Local objectives of rotations")
struct LocalObjectiveTests {
  @Test("have the gradients that finite differences give", arguments: LocalObjective.allCases)
  func gradients(objective: LocalObjective) {
    var random = RandomStream(seed: 5).derived(objective.rawValue)
    // Away from zero, where the magnitude has a corner; scaled, so that the scale of rows counts.
    var x = random.normal([6, 16], standardDeviation: 2)
    x = x + x / (x.magnitude() + 1e-20) * 0.5
    checkGradients(of: [x], seed: 7) { .apply(LocalObjectiveOp(objective: objective), to: $0[0]) }
    // A root mean square does not count: a row and its double are equally hard.
    let (one, other) = (objective(x).value, objective(x * 2).value)
    #expect(abs(one - other) < 1e-5 * abs(one))
  }

  @Test("are the larger, the more a row stands out", arguments: LocalObjective.allCases)
  func outliers(objective: LocalObjective) {
    var random = RandomStream(seed: 5)
    let plain = random.normal([64, 32], standardDeviation: 1)
    var peaked = plain
    peaked.withMutableElements { for row in 0..<64 { $0[row * 32 + 3] *= 30 } }
    #expect(objective(peaked).value > 1.2 * objective(plain).value)
  }

  @Test("fall when rotations learn them, and the float model stays", arguments: [16, 24])
  func learned(feedForward: Int) throws {
    let sample = Family.sample("local") { $0.feedForward = feedForward }
    let (configuration, plain) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    let twin = try OutlierTwin(strength: 10).applied(
      to: configuration, plain, calibratingOn: [sample.tokens(32), sample.tokens(32, seed: 2)])
    let token = QuantizationRule(format: "int4", granularity: .token, isSymmetric: false)
    let plan = try QuantizationPlan(
      QuantizationScheme(
        activations: token, values: token, rotations: RotationRule([.residual, .values])),
      for: twin.parameters)
    #expect(plan.quantizer(at: "model.layers.0.self_attn.input") == nil)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"), activations: token, values: token,
      rotations: RotationRule([.residual, .values]))
    let whole = try QuantizationPlan(scheme, for: twin.parameters)
    let learning = try RotationLearning(whole, twin.configuration, base: twin.parameters)
    for objective in LocalObjective.allCases {
      var parameters = twin.parameters
      learning.start(&parameters, .identity)
      let local = LocalRotations(objective, steps: 30, rate: 0.05)
      let pass = ForwardPass(learning.base, instrumentation: local.probe(learning))
      let tokens = sample.tokens(32, seed: 3)
      _ = Llama(twin.configuration, .unfilled())(
        TokenWindow(tokens, batch: 1, length: tokens.count), pass)
      let found = try local.learn(
        learning, &parameters, samples: pass.statistics, rule: CayleyAdam())
      #expect(found.map(\.path) == learning.frames.learned.map(\.path).sorted())
      for (path, before, after) in found {
        #expect(after < before, "\(objective) \(path): \(before) to \(after)")
      }
      let (rotations, residual) = try learning.rotations(in: parameters)
      #expect(residual < 1e-4)
      try EquivalenceGate(probing: twin.configuration).check(
        .init(twin.configuration, twin.parameters),
        .init(
          twin.configuration, try rotations.merged(into: twin.parameters, twin.configuration),
          rotations: [rotations]), after: "\(objective)")
    }
  }
}
