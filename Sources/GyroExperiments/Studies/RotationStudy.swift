public import Foundation
import GyroAutodiff
import GyroManifolds
import GyroModels
import GyroOptimization
public import GyroQuantization
import GyroRotation
import GyroTensors

/// How far the loss of a rotated and rounded model spreads over random rotations (2405.16406,
/// figure 4): random orthogonal matrices, Hadamard matrices with random signs, and rotations learned
/// from those.
public struct RotationStudy: Sendable, Encodable {
  /// One way to rotate, over seeds.
  public struct Method: Sendable, Encodable {
    public let name: String
    /// Mean Kullback–Leibler divergence from the float model per token, in nats; one per seed.
    public let divergences: [Double]

    public var mean: Double { divergences.reduce(0, +) / Double(max(divergences.count, 1)) }
    /// From the least to the largest.
    public var range: Double { (divergences.max() ?? 0) - (divergences.min() ?? 0) }

    enum CodingKeys: String, CodingKey { case name, divergences, mean, range }

    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name, forKey: .name)
      try container.encode(divergences, forKey: .divergences)
      try container.encode(mean, forKey: .mean)
      try container.encode(range, forKey: .range)
    }
  }

  public struct Options: Sendable {
    /// What is quantized, and where rotations stand.
    public var scheme = RotationStudy.w4a4kv4
    /// Rotations of each kind.
    public var seeds = 8
    /// Tokens that the model samples to measure on; as many again to learn from.
    public var size = 2048
    /// Steps of learning from each Hadamard start, rotations alone and with every scaling pair; 0
    /// leaves learning out.
    public var steps = 0
    /// Rotates the outlier twin of this strength instead of the model; nil rotates the model.
    public var strength: Double?
    public var seed: UInt64 = 0

    public init() {}
  }

  public let checkpoint: String
  /// The model, or its outlier twin.
  public let subject: String
  public let scheme: String
  /// First the model as it is, rounded without a rotation.
  public let methods: [Method]

  /// Four bits everywhere, with R1 and R2.
  public static let w4a4kv4: QuantizationScheme = {
    // Where to clip is learned beside the rotations, and nowhere where they are not learned.
    let token = QuantizationRule(
      format: "int4", granularity: .token, isSymmetric: false, estimator: "clip(initial=1)")
    return QuantizationScheme(
      weights: QuantizationRule(format: "int4"), activations: token, keys: token, values: token,
      keep: ["lm_head"], rotations: RotationRule([.residual, .values]))
  }()

  /// - Throws: what reading the checkpoint throws, `ExperimentError.unfit` for one that is no
  ///   language model, or a scheme without rotations or with ranges that need calibration;
  ///   `RotationError`, `QuantizationError`.
  public init(
    checkpoint: URL, _ options: Options = Options(),
    progress: @escaping (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let study = try StudyCheckpoint(checkpoint)
    guard case .language(let language) = study.model else {
      throw ExperimentError.unfit(
        what: study.name, reason: "rotations are for models of the Llama family")
    }
    guard options.scheme.rotations != nil else {
      throw ExperimentError.unfit(what: "the scheme", reason: "it has no rotations")
    }
    var (configuration, base) = try RotationPreparation.prepared(
      language.configuration, language.parameters)
    let length = min(configuration.context, 128, options.size)
    let texts = try SampledWindows.sample(
      language.model, language.parameters, tokens: 2 * options.size, length: length + 1,
      seed: options.seed
    ) { try progress(.working(label: "sampling text", done: $0, total: $1)) }
    let half = max(1, texts.count / 2)
    let held = SampledWindows(Array(texts.prefix(half)), length: length).sequential(size: 8)
    let seen = SampledWindows(Array(texts.dropFirst(half)), length: length).sequential(size: 8)
    if let strength = options.strength {
      let twin = try OutlierTwin(strength: strength, seed: options.seed)
        .applied(to: configuration, base, calibratingOn: texts.map { Array($0.dropLast()) })
      (configuration, base) = (twin.configuration, twin.parameters)
    }
    var plain = options.scheme
    plain.rotations = nil
    let trial = Trial(
      configuration: configuration, base: base, held: held, seen: seen,
      plan: try QuantizationPlan(options.scheme, for: base),
      plain: try QuantizationPlan(plain, for: base))
    guard !trial.plan.needsCalibration else {
      throw ExperimentError.unfit(
        what: "the scheme", reason: "it has ranges that need calibration; make them dynamic")
    }
    var kinds: [Trial.Kind] = [
      .init(name: "random orthogonal") { .orthogonal(seed: $0) },
      .init(name: "random Hadamard") { .hadamard(seed: $0) },
    ]
    if options.steps > 0 {
      kinds += [
        .init(name: "learned", steps: options.steps) { .hadamard(seed: $0) },
        .init(
          name: "learned, with scaling pairs", steps: options.steps,
          scalings: Set(ScalingPair.allCases)
        ) { .hadamard(seed: $0) },
      ]
    }
    var methods = [Method(name: "not rotated", divergences: [try trial.unrotated()])]
    for (number, kind) in kinds.enumerated() {
      var divergences: [Double] = []
      for index in 0..<options.seeds {
        try progress(
          .working(
            label: kind.name, done: number * options.seeds + index,
            total: kinds.count * options.seeds))
        divergences.append(
          try trial.divergence(kind, seed: options.seed &+ UInt64(index)))
      }
      methods.append(Method(name: kind.name, divergences: divergences))
    }
    self.checkpoint = study.name
    subject = options.strength == nil ? study.name : "outlier twin of \(study.name)"
    scheme = options.scheme.summary
    self.methods = methods
  }

  /// The spread over seeds, side by side.
  public var picture: String {
    let roles: [SeriesRole] = [.unrotated, .random, .hadamard, .learned, .trained]
    return SpreadStrip(
      title: "\(subject), rotated and rounded",
      axis: "divergence from the float model, nats per token (less is better)",
      methods: zip(methods, roles).map { .init(name: $0.name, role: $1, values: $0.divergences) }
    ).svg
  }
}
