public import GyroAutodiff
import GyroManifolds
public import GyroModels
public import GyroOptimization
public import GyroQuantization
public import GyroTensors

/// Learns rotations and scaling pairs against the scheme that will ship (SpinQuant, 2405.16406 §3.2).
///
/// The rotations live in the parameter store beside the weights, which hold them merged. Each step
/// runs the merged model under the plan, so what is optimized is what will be computed; the gradient
/// with respect to every rotation comes from what quantization changed (`FrameGradient`), which needs
/// neither rotated activations nor gradients of weights.
/// ```
/// let (configuration, base) = try RotationPreparation.prepared(configuration, store)
/// let model = Llama(configuration, .unfilled())
/// let plan = try QuantizationPlan(scheme, for: base)
/// let learning = try RotationLearning(plan, configuration, base: base)
/// var store = base
/// learning.start(&store, .hadamard(seed: 7))
/// var optimizer = try learning.optimizer(for: store, rotations: CayleySGD(), rateFactor: 0.5)
/// let trainable = learning.trainable(in: store)
/// for step in 0..<100 {
///   let (tokens, targets) = batch(step)
///   let result = try differentiate(
///     store, mode: .training(step: step), instrumentation: learning, trainable: trainable.matches
///   ) { pass in model.nextTokenLoss(tokens, targets: targets, pass) }
///   try optimizer.step(&store, result.gradients, rate: rate(step))
///   try learning.settle(&store)
/// }
/// let rotations = try learning.rotations(in: store).rotations
/// ```
public struct RotationLearning: Instrumentation {
  /// The scheme against which rotations are learned.
  public let plan: QuantizationPlan
  /// The float weights that rotations are merged into.
  public let base: ParameterStore
  /// Which scaling pairs are learned beside the rotations.
  public let scalings: Set<ScalingPair>
  /// Whether weights are quantized while rotations are learned. When GPTQ or training of the weights
  /// follows, they had better not be (2405.16406, table 3).
  public let quantizesWeights: Bool
  /// How weights are merged and gradients of rotations are summed.
  public let precision: MatmulPrecision
  let configuration: LlamaConfiguration
  let frames: LlamaFrames

  /// - Parameters:
  ///   - base: an untied model whose norms have no gains (``RotationPreparation``).
  /// - Throws: `RotationError` when a placement is not possible in the model: `.tied`, `.gains`,
  ///   `.illegal`, `.quantized`.
  public init(
    _ plan: QuantizationPlan, _ configuration: LlamaConfiguration, base: ParameterStore,
    scalings: Set<ScalingPair> = [], quantizesWeights: Bool = true,
    precision: MatmulPrecision = .tiledFloat32
  ) throws(RotationError) {
    self.plan = plan
    self.base = base
    self.scalings = scalings
    self.quantizesWeights = quantizesWeights
    self.precision = precision
    self.configuration = configuration
    frames = LlamaFrames(
      configuration, plan.scheme.rotations?.placements ?? [], scalings: scalings,
      transforms: plan.online.transforms)
    try check()
  }

  /// Learning in one part of the model alone, e.g. a block, over the base's tensors there.
  func inside(_ scope: ParameterPath) -> RotationLearning {
    RotationLearning(self, inside: scope)
  }

  private init(_ whole: RotationLearning, inside scope: ParameterPath) {
    plan = whole.plan.inside(scope)
    scalings = whole.scalings
    quantizesWeights = whole.quantizesWeights
    precision = whole.precision
    configuration = whole.configuration
    frames = whole.frames.inside(scope)
    var part = ParameterStore()
    for path in whole.base.paths where path.isInside(scope) {
      part.declare(path, whole.base[path], kind: whole.base.parameter(at: path)!.kind)
    }
    base = part
  }

  /// Makes sure that every placement and scaling pair has its place in the model.
  private func check() throws(RotationError) {
    if frames.placements.contains(.residual) {
      if configuration.tiedEmbeddings { throw .tied(placement: "R1") }
      try LlamaRotations(residual: .identity(1)).checkGains(base, configuration)
    }
    if frames.placements.contains(.keys), !configuration.headSize.isMultiple(of: 2) {
      throw .illegal(
        placement: "R3", reason: "a head of \(configuration.headSize) has no rotary pairs",
        advice: "leave out r3, or use a model with an even head size")
    }
    for path in frames.tensors.keys.sorted() where base.contains(path) {
      if base[path].encoded != nil { throw .quantized(path) }
    }
  }

  /// Paths of the learned numbers.
  public static let pattern: PathPattern = "^rotation"

  /// What quantizers of activations learn beside the rotations, e.g. where to clip: it ships with the
  /// merged weights.
  public func quantizerStates(in parameters: ParameterStore) -> [ParameterPath] {
    plan.siteStatePaths.filter { parameters.parameter(at: $0)?.kind == .quantizer }
  }

  /// Paths of everything that is learned: rotations, scaling pairs and ``quantizerStates(in:)``.
  public func trainable(in parameters: ParameterStore) -> PathPattern {
    let states = quantizerStates(in: parameters).map(\.name)
    return PathPattern(([Self.pattern.pattern] + states).joined(separator: "|"))
  }

  /// An optimizer of all that is ``trainable(in:)``: rotations move by `rule`, scaling pairs and what
  /// quantizers learn by Adam.
  ///
  /// - Parameter rateFactor: Adam's rate as a share of that of `rule`.
  /// - Throws: `OptimizerError`, as `Optimizer` does.
  public func optimizer(
    for parameters: ParameterStore, rotations rule: any UpdateRule, rateFactor: Double
  ) throws -> Optimizer {
    let trainable = trainable(in: parameters)
    let learned = parameters.parameterPaths.filter(trainable.matches).compactMap {
      parameters.parameter(at: $0)
    }
    let groups = [
      ParameterGroup("*", kinds: [.rotation], rule),
      ParameterGroup("*", kinds: [.scaling, .quantizer], AdamW(), rateFactor: rateFactor),
    ]
    return try Optimizer(
      groups: groups.filter { learned.contains(where: $0.matches) }, for: parameters,
      trainable: trainable)
  }

  /// What follows every step of an optimizer: states come back into their domain, weights are merged
  /// and their ranges found anew.
  /// - Throws: what a range method finds wrong.
  public func settle(_ parameters: inout ParameterStore) throws {
    plan.constrain(&parameters)
    merge(into: &parameters)
    try rangeWeights(in: &parameters)
  }

  /// Puts first rotations into the store and merges them; scalings start at 1.
  public func start(_ parameters: inout ParameterStore, _ start: RotationStart) {
    declare(start, in: &parameters)
    merge(into: &parameters)
  }

  func declare(_ start: RotationStart, in parameters: inout ParameterStore) {
    for factor in frames.learned {
      let value =
        factor.kind == .rotation
        ? start.matrix(factor.size, at: factor.path).tensor : Tensor.zeros([factor.size])
      parameters.remove(factor.path)
      parameters.declare(factor.path, value, kind: factor.kind)
    }
  }

  /// Merges the learned numbers in `parameters` into the weights there, from the float ones.
  public func merge(into parameters: inout ParameterStore) {
    var values: [ParameterPath: Tensor] = [:]
    for factor in frames.learned { values[factor.path] = parameters[factor.path] }
    for (path, sides) in frames.tensors where base.contains(path) {
      var merged = base[path].decodingApart()
      for side in sides {
        var rows = side.isRows ? merged.transposed().contiguous() : merged
        for factor in side.factors {
          rows = factor.applied(to: rows, values, precision: precision)
        }
        merged = side.isRows ? rows.transposed().contiguous() : rows
      }
      parameters[path] = merged
    }
  }

  /// Puts the base's weights back: for learning that merges for itself, and needs no second copy.
  public func unmerge(from parameters: inout ParameterStore) {
    for path in frames.tensors.keys where base.contains(path) { parameters[path] = base[path] }
  }

  /// Finds the ranges of quantized weights anew, which moved when rotations did. Searches take steps of
  /// a twentieth: what ships is ranged once more when rotations stay.
  /// - Throws: what a range method finds wrong.
  public func rangeWeights(in parameters: inout ParameterStore) throws {
    guard quantizesWeights else { return }
    try plan.rangeWeights(in: &parameters, steps: 20)
  }

  // MARK: The seam

  public func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    guard quantizesWeights else { return value }
    let sides = frames.tensors[parameter.path] ?? []
    return seen(
      value, at: parameter.path, sides, isStraight: plan.isStraightThrough(at: parameter.path), pass
    ) { plan.weight($0, of: parameter, pass) }
  }

  public func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let turned = plan.online.activation(value, at: site, pass)
    let sides = (frames.sites[site.path]).map { [FrameSide(factors: $0)] } ?? []
    return seen(
      turned, at: site.path, sides, isStraight: plan.isStraightThrough(at: site.path), pass
    ) { plan.quantized($0, at: site, pass) }
  }

  public func wants(_ site: Site) -> Bool { plan.wants(site) }

  /// A tensor quantized, in front of the factors that want to know what that changed.
  private func seen(
    _ value: Variable, at path: ParameterPath, _ sides: [FrameSide], isStraight: Bool,
    _ pass: ForwardPass, _ quantize: (Variable) -> Variable
  ) -> Variable {
    guard plan.quantizer(at: path) != nil else { return value }
    let paths = Set(sides.flatMap(\.factors).compactMap(\.path)).sorted()
    guard !paths.isEmpty else { return quantize(value) }
    let learned = paths.map { pass.raw(pass.parameter(at: $0)!) }
    guard learned.contains(where: \.isTracked) else { return quantize(value) }
    func frame(_ value: Variable, _ role: FrameOp.Role) -> Variable {
      let op = FrameOp(role: role, sides: sides, paths: paths, precision: pass.precision)
      return .apply(op, to: [value] + learned)
    }
    if isStraight { return frame(value, .quantizing(quantize(value.detached).value)) }
    return frame(quantize(frame(value, .entering)), .leaving)
  }
}
