import GyroAutodiff
import GyroModels
import GyroOptimization
import GyroTensors
import GyroTraining
import Testing

/// Small networks trained on rounded weights: rows of the checklist by name.
@Suite struct FineTuningTests {
  /// Points of a plane in three classes by angle, a share of them mislabeled.
  struct Points {
    let inputs: Tensor
    let labels: [Int32]

    init(_ count: Int, seed: UInt64, mislabeled: Float = 0) {
      var random = RandomStream(seed: seed)
      inputs = random.normal([count, 2])
      let elements = inputs.elements
      labels = (0..<count).map { row in
        if random.uniform() < mislabeled { return Int32(random.integer(below: 3)) }
        let (x, y) = (elements[2 * row], elements[2 * row + 1])
        return y > abs(x) ? 0 : x > 0 ? 1 : 2
      }
    }
  }

  private static let (model, initial) = MultilayerPerceptron.initialized(
    widths: [2, 16, 16, 3], seed: 3)

  private func loss(_ points: Points, _ pass: ForwardPass) -> Variable {
    Self.model.classificationLoss(Variable(constant: points.inputs), labels: points.labels, pass)
  }

  private func train(
    _ start: ParameterStore, _ schedule: Schedule, _ instrumentation: any Instrumentation,
    _ loss: (ForwardPass) -> Variable
  ) throws -> ParameterStore {
    var state = TrainingState(
      parameters: start,
      optimizer: try Optimizer([("*", SGD(momentum: 0.9))], for: start), seed: 1)
    let trainer = Trainer(TrainingOptions(steps: schedule.steps, schedule: schedule))
    try trainer.run(&state, instrumentation: instrumentation) {
      $0
    } loss: { _, pass in
      loss(pass)
    }
    return state.parameters
  }

  /// Three levels, zero and both signs, with a range for each matrix that stays fixed.
  private func grid(_ store: ParameterStore) -> [GridWeights] {
    (0..<3).map { layer in
      let path = ParameterPath("layers.\(layer).weight")
      let deviation = Float((store[path].sumOfSquares() / Double(store[path].count)).squareRoot())
      return GridWeights(quantizedWeights: [path], largest: 1, scale: 1.2 * deviation)
    }
  }

  private struct Several: Instrumentation {
    let parts: [GridWeights]
    func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
      parts.reduce(value) { $1.weight($0, of: parameter, pass) }
    }
    func activation(_ value: Variable, at: Site, _ pass: ForwardPass) -> Variable { value }
  }

  private let points = Points(240, seed: 1, mislabeled: 0.3)
  private let clean = Points(400, seed: 2)

  private func teacher() throws -> ParameterStore {
    let points = Points(600, seed: 9)
    return try train(
      Self.initial, try Schedule(.cosine, peak: 0.5, steps: 300), NoInstrumentation()
    ) { loss(points, $0) }
  }

  private func cleanLoss(_ store: ParameterStore, _ plan: any Instrumentation) -> Float {
    loss(clean, ForwardPass(store, instrumentation: plan)).value.item
  }

  @Test func `QAT fixed range, cosine 1 % → 0.01 % LR: a small net beats its PTQ`() throws {
    let float = try teacher()
    let plan = Several(parts: grid(float))
    let ptq = cleanLoss(float, plan)
    let points = Points(600, seed: 9)
    // The network was trained with 0.5; a net as small as this has few steps to take a tenth of.
    let qat = try train(float, try .fineTuning(initialRate: 0.5, steps: 300), plan) {
      loss(points, $0)
    }
    let own = cleanLoss(float, NoInstrumentation())
    #expect(own < 0.2, "the float network learned: \(own)")
    #expect(cleanLoss(qat, plan) < 0.9 * ptq, "\(own) \(ptq) \(cleanLoss(qat, plan))")
  }

  @Test func `distillation-assisted QAT (T = 1, 1 : 1 loss) is no worse than plain QAT`() throws {
    let float = try teacher()
    let plan = Several(parts: grid(float))
    let inputs = Variable(constant: points.inputs)
    let scores = Self.model(inputs, ForwardPass(float)).value
    func qat(_ teacher: DistillationTeacher, share: Float) throws -> Float {
      let trained = try train(float, try Schedule(.cosine, peak: 0.1, steps: 150), plan) { pass in
        Self.model(inputs, pass).distillationLoss(
          toward: teacher, targets: points.labels, share: share)
      }
      return cleanLoss(trained, plan)
    }
    let plain = try qat(.logits(scores), share: 0)
    let mixed = try qat(.logits(scores, temperature: 1), share: 0.5)
    let cached = try qat(.cache(TeacherCache(logits: scores, keeping: 1)), share: 0.5)
    #expect(mixed <= plain, "\(plain) \(mixed)")
    #expect(cached <= plain, "\(plain) \(cached)")
  }

  @Test func `a block is trained to give what the float block gave`() throws {
    let float = try teacher()
    let grids = grid(float)
    let plan = Several(parts: [grids[1]])
    var store = float
    var random = RandomStream(seed: 4)
    let inputs = (0..<4).map { _ in random.normal([32, 16]).magnitude() }
    let weight = float.parameter(at: "layers.1.weight")!,
      bias = float.parameter(at: "layers.1.bias")!
    let block = BlockReconstruction(
      schedule: try Schedule(.cosine, peak: 0.02, steps: 120), trainable: "layers.1")
    let result = try block.run(
      &store, try Optimizer([("*", AdamW())], for: store), inputs: inputs, original: float, plan
    ) { x, pass in x.linear(weight: pass(weight), bias: pass(bias)).relu() }
    #expect(result.after < 0.7 * result.before, "\(result)")
    #expect(store["layers.1.weight"].elements != float["layers.1.weight"].elements)
    #expect(store["layers.0.weight"].elements == float["layers.0.weight"].elements)
    // What cannot get better is left as it is.
    var same = float
    let none = try block.run(
      &same, try Optimizer([("*", AdamW())], for: same), inputs: inputs, original: float,
      NoInstrumentation()
    ) { x, pass in x.linear(weight: pass(weight), bias: pass(bias)).relu() }
    #expect(none == .init(before: 0, after: 0))
    #expect(same["layers.1.weight"].elements == float["layers.1.weight"].elements)
  }
}
