public import GyroModels
import GyroOptimization
import GyroQuantization
import GyroTensors
import GyroTraining

/// How fast whole training steps run: forward pass, backward pass and optimizer, on fixed random
/// tokens, once per way of computing.
public struct TrainingBenchmark: Sendable {
  /// A model and the shape of its batches.
  public struct Workload: Sendable {
    public let name: String
    public let configuration: LlamaConfiguration
    public let batch: Int
    public let length: Int

    public init(name: String, configuration: LlamaConfiguration, batch: Int, length: Int) {
      self.name = name
      self.configuration = configuration
      self.batch = batch
      self.length = length
    }

    /// 29.5 million parameters in batches of 8 × 256 tokens: the workload of the peers' scripts.
    public static let llama30m = Workload(
      name: "llama-30m",
      configuration: LlamaConfiguration(
        vocabulary: 4096, hidden: 512, feedForward: 1376, layers: 8, heads: 8, context: 256),
      batch: 8, length: 256)
  }

  /// A way of computing a step.
  public enum Arithmetic: String, Sendable, CaseIterable {
    case float32
    case tiledFloat32 = "tiled-float32"
    case splitBFloat16 = "split-bfloat16"
    /// INT8 weights and activations; the backward pass keeps all bits of Float32.
    case w8a8
    /// The same with the backward pass in bfloat16 pieces.
    case w8a8SplitBFloat16 = "w8a8-split-bfloat16"

    var precision: MatmulPrecision {
      switch self {
      case .float32, .w8a8: .float32
      case .tiledFloat32: .tiledFloat32
      case .splitBFloat16, .w8a8SplitBFloat16: .splitBFloat16
      }
    }
    var isQuantized: Bool { self == .w8a8 || self == .w8a8SplitBFloat16 }
  }

  /// What was measured for one way of computing.
  public struct Figure: Sendable, Encodable {
    public let name: String
    public let tokensPerSecond: Double
    /// Median over the steps.
    public let secondsPerStep: Double
    /// The fastest step.
    public let bestSecondsPerStep: Double
    public let steps: Int
    public let parameters: Int
    /// Most memory the process occupied meanwhile.
    public let peakResidentBytes: Int
    /// Most bytes of tensors alive at once, over the whole process.
    public let peakTensorBytes: Int
    /// The loss of the first and of the last step: equal work should give equal numbers.
    public let firstLoss: Float
    public let lastLoss: Float
  }

  public let workload: Workload
  /// Steps that count; one or two before them do not.
  public let steps: Int
  public let warmup: Int

  public init(_ workload: Workload = .llama30m, steps: Int = 5, warmup: Int = 2) {
    self.workload = workload
    self.steps = steps
    self.warmup = warmup
  }

  /// Measures one way of computing.
  /// - Throws: whatever a training step throws.
  public func run(
    _ arithmetic: Arithmetic, progress: (Int, Double) -> Void = { _, _ in }
  ) throws -> Figure {
    MemoryUsage.trim()
    ResidentMemory.resetPeak()
    let (model, initial) = Llama.initialized(workload.configuration, seed: 0)
    var store = initial
    let instrumentation: any Instrumentation =
      arithmetic.isQuantized
      ? try QuantizationPlan(.int8, for: store) : NoInstrumentation()
    var optimizer = try Optimizer(AdamW(), for: store)
    let (tokens, targets) = batch()
    var seconds: [Double] = []
    var losses: [Float] = []
    let clock = ContinuousClock()
    for step in 0..<(warmup + steps) {
      let duration = try clock.measure {
        let result = try differentiate(
          store, mode: .training(step: step), instrumentation: instrumentation,
          precision: arithmetic.precision
        ) { pass in model.nextTokenLoss(tokens, targets: targets, pass) }
        losses.append(result.loss)
        _ = try optimizer.step(&store, result.gradients, rate: 1e-4)
      }
      let time = duration / .seconds(1)
      progress(step, time)
      if step >= warmup { seconds.append(time) }
    }
    seconds.sort()
    let median = seconds[seconds.count / 2]
    return Figure(
      name: arithmetic.rawValue,
      tokensPerSecond: Double(workload.batch * workload.length) / median,
      secondsPerStep: median, bestSecondsPerStep: seconds[0], steps: steps,
      parameters: store.parameterCount, peakResidentBytes: ResidentMemory.peak,
      peakTensorBytes: MemoryUsage.current.peakLiveBytes, firstLoss: losses.first!,
      lastLoss: losses.last!)
  }

  private func batch() -> (TokenWindow, [Int32]) {
    var random = RandomStream(seed: 0).derived("benchmark tokens")
    let vocabulary = workload.configuration.vocabulary
    func draw() -> [Int32] {
      (0..<workload.batch * workload.length).map { _ in Int32(random.integer(below: vocabulary)) }
    }
    return (TokenWindow(draw(), batch: workload.batch, length: workload.length), draw())
  }
}
