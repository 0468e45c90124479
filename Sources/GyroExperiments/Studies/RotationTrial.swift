import GyroAutodiff
import GyroDatasets
import GyroModels
import GyroOptimization
import GyroQuantization
import GyroRotation
import GyroTensors

extension RotationStudy {
  /// Rotates a model in one way and measures it.
  struct Trial {
    /// One way to rotate.
    struct Kind {
      let name: String
      /// Steps of learning; 0 for none.
      var steps = 0
      /// What is learned beside the rotations.
      var scalings: Set<ScalingPair> = []
      let start: (_ seed: UInt64) -> RotationStart
    }

    let configuration: LlamaConfiguration
    /// A prepared float model.
    let base: ParameterStore
    /// What is measured on, and what is learned from.
    let held, seen: [TokenBatch]
    let plan, plain: QuantizationPlan

    private var model: Llama { Llama(configuration, .unfilled()) }

    /// The divergence of the model as it is, rounded.
    func unrotated() throws -> Double { try measured(base, plain) }

    /// The divergence after rotating, and learning if there are steps.
    func divergence(_ kind: Kind, seed: UInt64) throws -> Double {
      let learning = try RotationLearning(
        plan, configuration, base: base, scalings: kind.scalings)
      var store = base
      learning.start(&store, kind.start(seed))
      if !kind.scalings.isEmpty {
        let pass = ForwardPass(base, instrumentation: learning.balanceProbe)
        _ = model(TokenWindow(seen[0]), pass)
        learning.balance(&store, samples: pass.statistics)
      }
      try plan.prepare(&store)
      if kind.steps > 0 { try learn(learning, &store, kind.steps) }
      var merged = try learning.rotations(in: store).rotations.merged(into: base, configuration)
      for path in learning.quantizerStates(in: store) {
        merged.declare(path, store[path], kind: .quantizer)
      }
      return try measured(merged, plan)
    }

    private func learn(
      _ learning: RotationLearning, _ store: inout ParameterStore, _ steps: Int
    ) throws {
      let model = model
      let trainable = learning.trainable(in: store)
      var optimizer = try learning.optimizer(
        for: store, rotations: CayleyAdam(), rateFactor: 0.5)
      let schedule = try Schedule(.cosine, peak: 0.01, final: 0, warmup: 0, steps: steps)
      for step in 0..<steps {
        let batch = seen[step % seen.count]
        let wanted = model(TokenWindow(batch), ForwardPass(base)).value
        let result = try differentiate(
          store, mode: .training(step: step), instrumentation: learning,
          trainable: trainable.matches
        ) { model(TokenWindow(batch), $0).kullbackLeibler(toTeacher: wanted) }
        try optimizer.step(&store, result.gradients, rate: schedule(step))
        try learning.settle(&store)
      }
    }

    private func measured(_ parameters: ParameterStore, _ plan: QuantizationPlan) throws -> Double {
      var parameters = parameters
      try plan.prepare(&parameters)
      let frozen = try plan.frozen(parameters)
      var (sum, count) = (0.0, 0.0)
      for batch in held {
        let wanted = model(TokenWindow(batch), ForwardPass(base)).value
        let pass = ForwardPass(frozen, instrumentation: plan)
        let divergence = model(TokenWindow(batch), pass).kullbackLeibler(toTeacher: wanted)
        if let fault = pass.fault { throw fault }
        sum += Double(divergence.value.item) * Double(batch.targets.count)
        count += Double(batch.targets.count)
      }
      return sum / max(count, 1)
    }
  }
}
