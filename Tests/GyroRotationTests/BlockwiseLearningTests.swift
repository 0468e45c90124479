import GyroAutodiff
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroTensors
import Testing

@testable import GyroRotation

@Suite("Learning rotations block by block")
struct BlockwiseLearningTests {
  private let tokens = TokenWindow((0..<24).map { Int32(($0 * 7 + 3) % 32) }, batch: 2, length: 12)

  private func learning(
    quantizesWeights: Bool = false, placements: Set<RotationRule.Placement> = [.residual, .values]
  ) throws -> (learning: RotationLearning, store: ParameterStore) {
    let sample = Family.sample("blocks") { _ in }
    let (configuration, plain) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    let twin = try OutlierTwin(strength: 10).applied(
      to: configuration, plain, calibratingOn: [sample.tokens(32), sample.tokens(32, seed: 2)])
    let token = QuantizationRule(
      format: "int4", granularity: .token, isSymmetric: false, estimator: "clip(initial=0.9)")
    let head = QuantizationRule(
      format: "int4", granularity: .head(size: configuration.headSize), isSymmetric: false)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4"), activations: token, keys: head, values: head,
      rotations: RotationRule(placements, signSeed: 5))
    let plan = try QuantizationPlan(scheme, for: twin.parameters)
    let learning = try RotationLearning(
      plan, twin.configuration, base: twin.parameters, scalings: Set(ScalingPair.allCases),
      quantizesWeights: quantizesWeights, precision: .float32)
    var store = learning.base
    learning.start(&store, .hadamard(seed: 11))
    try plan.prepare(&store)
    return (learning, store)
  }

  @Test(
    "gives the gradients of each block's error with the whole merged model at hand",
    arguments: [false, true])
  func gradients(quantizesWeights: Bool) throws {
    let (learning, store) = try learning(
      quantizesWeights: quantizesWeights,
      placements: [.residual, .values, .keys, .feedForward])
    let found = try BlockwiseLearning(learning).differentiate(
      store, tokens, mode: .training(step: 0))

    let model = Llama(learning.configuration, .unfilled())
    let turn = store[RotationPaths.residual]
    func turned(_ x: Tensor) -> Tensor { x.matmul(turn) }
    let float = ForwardPass(learning.base)
    var hidden = model.embed(tokens, float).value
    var (loss, gradients) = (Float(0), Gradients())
    for index in 0..<model.blockCount {
      let wanted = model.block(index, Variable(constant: hidden), float).value
      let size = 1 / turned(wanted).squared().mean(axes: [2], keepingAxes: true).squareRoot()
      let part = try differentiate(
        store, mode: .training(step: 0), instrumentation: learning,
        trainable: learning.trainable(in: store).matches
      ) { pass in
        (model.block(index, Variable(constant: turned(hidden)), pass) * Variable(constant: size))
          .meanSquareError(to: Variable(constant: turned(wanted) * size))
      }
      loss += part.loss / Float(model.blockCount)
      for path in part.gradients.paths {
        gradients.accumulate(part.gradients[path]! / Float(model.blockCount), at: path)
      }
      hidden = wanted
    }
    #expect(found.loss > 0 && abs(found.loss - loss) <= 1e-5 * loss)
    #expect(found.gradients.paths == gradients.paths)
    let learned = Set(learning.frames.learned.map(\.path))
    #expect(learned.isSubset(of: gradients.paths))
    #expect(gradients.paths.contains { !learned.contains($0) }, "clipping is learned")
    for path in gradients.paths {
      let (a, b) = (found.gradients[path]!, gradients[path]!)
      #expect(
        (a - b).magnitude().maximum() <= 1e-4 * b.magnitude().maximum(), "\(path)")
    }
  }

  @Test("looks at what is learned alone, and at no merged weight")
  func needs() throws {
    let (learning, store) = try learning()
    let blocks = BlockwiseLearning(learning)
    let merged = try blocks.differentiate(store, tokens, mode: .training(step: 3), seed: 2)
    var learned = ParameterStore()
    for path in store.paths where !learning.base.contains(path) {
      learned.declare(path, store[path], kind: store.parameter(at: path)!.kind)
    }
    let alone = try blocks.differentiate(learned, tokens, mode: .training(step: 3), seed: 2)
    #expect(alone.loss == merged.loss)
    for path in merged.gradients.paths {
      #expect(alone.gradients[path]!.elements == merged.gradients[path]!.elements, "\(path)")
    }
  }

  @Test("brings the quantized model nearer to the float one")
  func learns() throws {
    var (learning, store) = try learning()
    let model = Llama(learning.configuration, .unfilled())
    let wanted = model(tokens, ForwardPass(learning.base)).value
    func divergence() -> Float {
      model(tokens, ForwardPass(store, instrumentation: learning))
        .kullbackLeibler(toTeacher: wanted).value.item
    }
    let before = divergence()
    let blocks = BlockwiseLearning(learning)
    var optimizer = try learning.optimizer(for: store, rotations: CayleyAdam(), rateFactor: 0.5)
    var losses: [Float] = []
    for step in 0..<30 {
      let result = try blocks.differentiate(store, tokens, mode: .training(step: step))
      losses.append(result.loss)
      try optimizer.step(&store, result.gradients, rate: 0.03 * Double(30 - step) / 30)
      learning.plan.constrain(&store)
    }
    try learning.settle(&store)
    #expect(losses.last! < 0.7 * losses[0])
    #expect(divergence() < 0.7 * before, "\(before) to \(divergence())")
    let (rotations, residual) = try learning.rotations(in: store)
    #expect(residual < 1e-4)
    try EquivalenceGate(probing: learning.configuration).check(
      .init(learning.configuration, learning.base),
      .init(
        learning.configuration,
        try rotations.merged(into: learning.base, learning.configuration), rotations: [rotations]),
      after: "learning block by block")
  }
}
