public import GyroModels
import GyroOptimization
import GyroQuantization
import GyroRotation
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
    /// INT4 weights in groups of 32, INT8 activations per token.
    case w4a8
    /// INT4 weights in groups of 32, INT4 activations per token with zero points.
    case w4a4
    /// E4M3 weights per channel, E4M3 activations per token.
    case fp8
    /// MXFP4 weights and activations.
    case mxfp4
    /// NVFP4 weights and activations.
    case nvfp4
    /// INT2 weights in groups of 32 with learned steps, INT8 activations per token.
    case w2lsq = "w2-lsq"
    /// Learning R1 and R2 by Cayley SGD under W16A4KV4: frozen weights, activations, keys and values
    /// in INT4 with zero points.
    case rotation
    /// The same in bfloat16 pieces.
    case rotationSplitBFloat16 = "rotation-split-bfloat16"

    var learnsRotations: Bool { self == .rotation || self == .rotationSplitBFloat16 }

    var precision: MatmulPrecision {
      switch self {
      case .tiledFloat32, .rotation: .tiledFloat32
      case .splitBFloat16, .w8a8SplitBFloat16, .rotationSplitBFloat16: .splitBFloat16
      default: .float32
      }
    }

    /// What is quantized; nil for a float step.
    func scheme(headSize: Int) -> QuantizationScheme? {
      func pair(_ weights: QuantizationRule, _ activations: QuantizationRule) -> QuantizationScheme
      {
        QuantizationScheme(weights: weights, activations: activations)
      }
      let groups = QuantizationRule(format: "int4", granularity: .group(32))
      let tokens = QuantizationRule(format: "int8", granularity: .token)
      switch self {
      case .float32, .tiledFloat32, .splitBFloat16: return nil
      case .w8a8, .w8a8SplitBFloat16: return .int8
      case .w4a8: return pair(groups, tokens)
      case .w4a4:
        return pair(
          groups, QuantizationRule(format: "int4", granularity: .token, isSymmetric: false))
      case .fp8:
        return pair(
          QuantizationRule(format: "e4m3", granularity: .channel),
          QuantizationRule(format: "e4m3", granularity: .token))
      case .mxfp4: return pair(QuantizationRule(format: "mxfp4"), QuantizationRule(format: "mxfp4"))
      case .nvfp4: return pair(QuantizationRule(format: "nvfp4"), QuantizationRule(format: "nvfp4"))
      case .w2lsq:
        return pair(
          QuantizationRule(format: "int2", granularity: .group(32), estimator: "lsq"), tokens)
      case .rotation, .rotationSplitBFloat16:
        let heads = QuantizationRule(
          format: "int4", granularity: .head(size: headSize), isSymmetric: false)
        // The rule for weights says which inputs are quantized; learning leaves weights float.
        return QuantizationScheme(
          weights: QuantizationRule(format: "int4", granularity: .channel),
          activations: QuantizationRule(format: "int4", granularity: .token, isSymmetric: false),
          keys: heads, values: heads, keep: ["lm_head"],
          rotations: RotationRule([.residual, .values]))
      }
    }
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
    let plan = try arithmetic.scheme(headSize: workload.configuration.headSize).map {
      try QuantizationPlan($0, for: store)
    }
    let learning =
      arithmetic.learnsRotations
      ? try RotationLearning(
        plan!, workload.configuration, base: store, quantizesWeights: false,
        precision: arithmetic.precision) : nil
    learning?.start(&store, .hadamard(seed: 0))
    try plan?.prepare(&store)
    var instrumentation: any Instrumentation = plan ?? NoInstrumentation()
    if let learning { instrumentation = learning }
    let trainable: PathPattern = learning == nil ? "*" : RotationLearning.pattern
    var rule: any UpdateRule = AdamW()
    if learning != nil { rule = CayleySGD() }
    var optimizer = try Optimizer(rule, for: store, trainable: trainable)
    let (tokens, targets) = batch()
    var seconds: [Double] = []
    var losses: [Float] = []
    let clock = ContinuousClock()
    for step in 0..<(warmup + steps) {
      let duration = try clock.measure {
        let result = try differentiate(
          store, mode: .training(step: step), instrumentation: instrumentation,
          precision: arithmetic.precision, trainable: trainable.matches
        ) { pass in model.nextTokenLoss(tokens, targets: targets, pass) }
        losses.append(result.loss)
        _ = try optimizer.step(&store, result.gradients, rate: learning == nil ? 1e-4 : 1.5)
        plan?.constrain(&store)
        learning?.merge(into: &store)
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
      parameters: initial.parameterCount, peakResidentBytes: ResidentMemory.peak,
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
