import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors

/// Where rotations and scaling pairs stand in a Llama: the factors at the sides of every weight, bias,
/// gain and activation. One table serves learning, merging and taking them out again.
struct LlamaFrames: Sendable {
  let configuration: LlamaConfiguration
  let placements: Set<RotationRule.Placement>
  let scalings: Set<ScalingPair>
  /// Factors at the columns of activations, by path of site; none where nothing changes.
  let sites: [ParameterPath: [FrameFactor]]
  /// Sites behind a normalization, whose gains act on them as well.
  let normalizedSites: Set<ParameterPath>
  /// Sides of weights, and of biases and gains, which are single rows.
  let tensors: [ParameterPath: [FrameSide]]
  /// What is learned, in order: R1, then layer by layer.
  let learned: [LearnedFactor]

  /// - Parameter transforms: R3 and R4 by path of site; the other half of R4 is merged.
  init(
    _ configuration: LlamaConfiguration, _ placements: Set<RotationRule.Placement> = [],
    scalings: Set<ScalingPair> = [], transforms: [ParameterPath: HadamardTransform] = [:]
  ) {
    self.configuration = configuration
    self.placements = placements
    self.scalings = scalings
    var table = Table(configuration, placements, scalings, transforms)
    table.placeEnds()
    for layer in 0..<configuration.layers {
      table.placeAttention(layer)
      table.placeFeedForward(layer)
    }
    sites = table.sites
    normalizedSites = table.normalizedSites
    tensors = table.tensors.filter { !$0.value.isEmpty }
    learned = table.learned
  }

  /// What stands inside one part of the model, e.g. a block, and what is learned there.
  func inside(_ scope: ParameterPath) -> LlamaFrames { LlamaFrames(self, inside: scope) }

  private init(_ whole: LlamaFrames, inside scope: ParameterPath) {
    configuration = whole.configuration
    placements = whole.placements
    scalings = whole.scalings
    sites = whole.sites.filter { $0.key.isInside(scope) }
    normalizedSites = whole.normalizedSites.filter { $0.isInside(scope) }
    tensors = whole.tensors.filter { $0.key.isInside(scope) }
    let factors = Array(sites.values) + tensors.values.flatMap { $0.map(\.factors) }
    let paths = Set(factors.joined().compactMap(\.path))
    learned = whole.learned.filter { paths.contains($0.path) }
  }

  /// The site of R4.
  static func feedForwardSite(_ layer: Int) -> ParameterPath {
    ParameterPath("model.layers.\(layer).mlp.down_proj.input")
  }
}

/// A tensor of learned numbers.
struct LearnedFactor: Sendable, Equatable {
  let path: ParameterPath
  /// A rotation `[size, size]`, or a scaling pair's logarithms `[size]`.
  let kind: Parameter.Kind
  let size: Int
}

/// Where the numbers of rotations live in a store while they are learned.
enum RotationPaths {
  static let residual: ParameterPath = "rotation.r1"

  static func values(_ layer: Int) -> ParameterPath {
    ParameterPath("rotation.layers.\(layer).r2")
  }

  static func scaling(_ pair: ScalingPair, _ layer: Int) -> ParameterPath {
    ParameterPath("rotation.layers.\(layer).scaling.\(pair.rawValue)")
  }
}

/// The table in the making.
private struct Table {
  let configuration: LlamaConfiguration
  let placements: Set<RotationRule.Placement>
  let scalings: Set<ScalingPair>
  let transforms: [ParameterPath: HadamardTransform]
  var sites: [ParameterPath: [FrameFactor]] = [:]
  var normalizedSites: Set<ParameterPath> = []
  var tensors: [ParameterPath: [FrameSide]] = [:]

  init(
    _ configuration: LlamaConfiguration, _ placements: Set<RotationRule.Placement>,
    _ scalings: Set<ScalingPair>, _ transforms: [ParameterPath: HadamardTransform]
  ) {
    self.configuration = configuration
    self.placements = placements
    self.scalings = scalings
    self.transforms = transforms
  }

  var learned: [LearnedFactor] {
    var found: [LearnedFactor] = []
    func add(_ path: ParameterPath, _ kind: Parameter.Kind, _ size: Int) {
      found.append(LearnedFactor(path: path, kind: kind, size: size))
    }
    if placements.contains(.residual) {
      add(RotationPaths.residual, .rotation, configuration.hidden)
    }
    for layer in 0..<configuration.layers {
      if placements.contains(.values) {
        add(RotationPaths.values(layer), .rotation, configuration.headSize)
      }
      for pair in ScalingPair.allCases where scalings.contains(pair) {
        add(RotationPaths.scaling(pair, layer), .scaling, pair.count(in: configuration))
      }
    }
    return found
  }

  private mutating func place(
    _ scope: String, columns: [FrameFactor] = [], rows: [FrameFactor] = []
  ) {
    let sides = [FrameSide(factors: columns), FrameSide(isRows: true, factors: rows)]
    tensors[ParameterPath(scope + ".weight")] = sides.filter { !$0.factors.isEmpty }
    tensors[ParameterPath(scope + ".bias")] = rows.isEmpty ? [] : [FrameSide(factors: rows)]
  }

  private mutating func placeNormalized(_ site: ParameterPath, _ factors: [FrameFactor]) {
    sites[site] = factors
    normalizedSites.insert(site)
  }

  private mutating func placeGain(_ scope: String, _ factors: [FrameFactor]) {
    tensors[ParameterPath(scope + ".weight")] = factors.isEmpty ? [] : [FrameSide(factors: factors)]
  }

  // MARK: Factors

  private var residual: [FrameFactor] {
    placements.contains(.residual) ? [.rotation(RotationPaths.residual)] : []
  }

  private func scaling(
    _ pair: ScalingPair, _ layer: Int, _ places: [Int], isInverse: Bool = false
  ) -> [FrameFactor] {
    guard scalings.contains(pair) else { return [] }
    return [
      .scaling(
        RotationPaths.scaling(pair, layer), places: places.map(Int32.init), isInverse: isInverse)
    ]
  }

  private func transform(at site: ParameterPath) -> [FrameFactor] {
    transforms[site].map { [.hadamard($0)] } ?? []
  }

  /// The head of keys and values that each query head reads.
  private func sharedHeads(_ heads: Int) -> [Int] {
    (0..<heads).map { $0 * configuration.keyValueHeads / heads }
  }

  // MARK: Places

  mutating func placeEnds() {
    tensors["model.embed_tokens.weight"] = [FrameSide(factors: residual)]
    tensors["lm_head.weight"] = [FrameSide(factors: residual)]
    sites["model.embed_tokens.output"] = residual
    placeNormalized("lm_head.input", residual)
    sites["lm_head.output"] = []
  }

  mutating func placeAttention(_ layer: Int) {
    let scope = "model.layers.\(layer).self_attn"
    let (heads, shared, size) = (
      configuration.heads, configuration.keyValueHeads, configuration.headSize
    )
    let all = Array(0..<configuration.hidden)
    let enter = residual + scaling(.attentionInputs, layer, all)
    let read = residual + scaling(.attentionInputs, layer, all, isInverse: true)
    placeGain(
      "model.layers.\(layer).input_layernorm", scaling(.attentionInputs, layer, all))
    placeNormalized(ParameterPath(scope + ".input"), enter)

    // One factor per rotary pair (i, i + size / 2), which the rotary embedding cannot tell apart.
    func pairs(_ heads: [Int]) -> [Int] {
      heads.flatMap { head in (0..<size).map { head * (size / 2) + $0 % (size / 2) } }
    }
    let hasNorms = configuration.queryKeyNorm
    let keyPlaces = pairs(hasNorms ? Array(repeating: 0, count: shared) : Array(0..<shared))
    let queryPlaces = pairs(hasNorms ? Array(repeating: 0, count: heads) : sharedHeads(heads))
    let keys = scaling(.keys, layer, keyPlaces)
    let queries = scaling(.keys, layer, queryPlaces, isInverse: true)
    if hasNorms {
      placeGain(scope + ".q_norm", scaling(.keys, layer, pairs([0]), isInverse: true))
      placeGain(scope + ".k_norm", scaling(.keys, layer, pairs([0])))
    }
    place(scope + ".q_proj", columns: read, rows: hasNorms ? [] : queries)
    place(scope + ".k_proj", columns: read, rows: hasNorms ? [] : keys)
    for (name, factors) in [("queries", queries), ("keys", keys)] {
      let site = ParameterPath("\(scope).\(name)")
      sites[site] = factors + transform(at: site)
    }

    let turn: [FrameFactor] =
      placements.contains(.values) ? [.rotation(RotationPaths.values(layer))] : []
    let kept = Array(0..<shared * size)
    let readers = sharedHeads(heads).flatMap { head in (0..<size).map { head * size + $0 } }
    let values = scaling(.values, layer, kept) + turn
    place(scope + ".v_proj", columns: read, rows: values)
    sites[ParameterPath(scope + ".values")] = values
    sites[ParameterPath(scope + ".o_proj.input")] = scaling(.values, layer, readers) + turn
    place(
      scope + ".o_proj", columns: scaling(.values, layer, readers, isInverse: true) + turn,
      rows: residual)
    sites[ParameterPath(scope + ".residual")] = residual
  }

  mutating func placeFeedForward(_ layer: Int) {
    let scope = "model.layers.\(layer).mlp"
    let all = Array(0..<configuration.hidden)
    let inner = Array(0..<configuration.feedForward)
    let read = residual + scaling(.feedForwardInputs, layer, all, isInverse: true)
    placeGain(
      "model.layers.\(layer).post_attention_layernorm", scaling(.feedForwardInputs, layer, all))
    placeNormalized(
      ParameterPath(scope + ".input"), residual + scaling(.feedForwardInputs, layer, all))
    place(scope + ".gate_proj", columns: read)
    place(scope + ".up_proj", columns: read, rows: scaling(.feedForward, layer, inner))
    let site = LlamaFrames.feedForwardSite(layer)
    let turn = transform(at: site)
    sites[site] = scaling(.feedForward, layer, inner) + turn
    place(
      scope + ".down_proj", columns: scaling(.feedForward, layer, inner, isInverse: true) + turn,
      rows: residual)
    sites[ParameterPath(scope + ".residual")] = residual
  }
}
